"""Where a command's settings come from, and what becomes of those that cannot be right."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mainstem import config
from mainstem.cli.group import defaults
from mainstem.cli.main import exit_code
from mainstem.cli.options import database_option, json_option, kafka_option, registry_option
from mainstem.config import Settings
from mainstem.errors import ConfigurationError

SECRET = "postgresql://u:hunter2@h/db"


@click.command()
@database_option
@kafka_option
@registry_option
@json_option
def probe(
    database_url: str, kafka_bootstrap: str, schema_registry_url: str | None, *, as_json: bool
) -> None:
    """Print what arrives."""
    click.echo(f"{database_url} {kafka_bootstrap} {schema_registry_url} {as_json}")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, and none of the variables that a developer may have set."""
    monkeypatch.chdir(tmp_path)
    for name in ("DATABASE_URL", "KAFKA_BOOTSTRAP", "SCHEMA_REGISTRY_URL", "JSON"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"MAINSTEM_{name}", raising=False)


def arrives(arguments: list[str], variables: dict[str, str], addresses: dict[str, str]) -> str:
    """What `probe` gets from these arguments, variables and addresses of mainstem.toml."""
    settings = Settings({"kafka_bootstrap": "k:1", **addresses})
    done = CliRunner().invoke(probe, arguments, env=variables, obj=settings, catch_exceptions=False)
    return done.output.strip()


def test_option_beats_variable_beats_plain_variable_beats_file() -> None:
    """Take the strongest place away, one after the other."""
    option = ["--database-url", "option"]
    ours, plain = {"MAINSTEM_DATABASE_URL": "ours"}, {"DATABASE_URL": "plain"}
    file = {"database_url": "file"}

    assert arrives(option, {**ours, **plain}, file) == "option k:1 None False"
    assert arrives([], {**ours, **plain}, file) == "ours k:1 None False"
    assert arrives([], plain, file) == "plain k:1 None False"
    assert arrives([], {"DATABASE_URL": ""}, file) == "file k:1 None False"


def test_a_missing_address_says_all_the_places_where_it_may_stand() -> None:
    """Nothing is set and no stack runs here: the error must show every way out."""
    with pytest.raises(ConfigurationError, match="--database-url is not set") as caught:
        arrives([], {}, {})

    for place in ("mainstem up", "--database-url", "MAINSTEM_DATABASE_URL", "mainstem.toml"):
        assert place in caught.value.hint


def test_one_variable_turns_every_command_to_json() -> None:
    """`--json` is the same everywhere, so it has one variable."""
    assert arrives([], {"DATABASE_URL": "d", "MAINSTEM_JSON": "1"}, {}) == "d k:1 None True"


def test_a_file_gives_addresses_and_options(tmp_path: Path) -> None:
    """The whole of a good file: addresses at the top, one section for each command."""
    path = tmp_path / config.FILE_NAME
    path.write_text(f'database_url = "{SECRET}"\n[topic.create]\npartitions = 6\n')

    settings = config.load(path, ["topic"])

    assert settings.addresses == {"database_url": SECRET}
    assert settings.commands == {"topic": {"create": {"partitions": 6}}}
    assert "hunter2" not in repr(settings)


def test_an_absent_file_says_nothing(tmp_path: Path) -> None:
    """Most people have no file."""
    assert config.load(tmp_path / config.FILE_NAME, []) == Settings()


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('databse_url = "x"', "unknown key databse_url in mainstem.toml", "mean database_url?"),
        ("zzz = 1", "unknown key zzz in mainstem.toml", "known here: database_url, explain"),
        ("[explayn]", "unknown key explayn in mainstem.toml", "mean explain?"),
        ("database_url = 5", "database_url in mainstem.toml must be a string", ""),
        ("explain = 5", "explain in mainstem.toml must be a section", ""),
        ("a = ", "no valid TOML", ""),
    ],
)
def test_a_file_that_cannot_be_right_is_refused(
    tmp_path: Path, text: str, message: str, hint: str
) -> None:
    """A setting that nothing reads is a mistake that would go unnoticed: try them all."""
    path = tmp_path / config.FILE_NAME
    path.write_text(text)

    with pytest.raises(ConfigurationError, match=r"mainstem\.toml") as caught:
        config.load(path, ["explain"])

    assert message in caught.value.message
    assert hint in caught.value.hint


def test_an_error_in_the_file_never_shows_its_values(tmp_path: Path) -> None:
    """A file holds passwords: give one where a section should be, and where TOML breaks off."""
    path = tmp_path / config.FILE_NAME
    for text in (f'explain = "{SECRET}"', f'database_url = "{SECRET}'):
        path.write_text(text)
        with pytest.raises(ConfigurationError) as caught:
            config.load(path, ["explain"])

        assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


def test_a_section_is_read_by_the_names_of_options() -> None:
    """`--json` is `json` in the file, whatever its parameter is called; nested groups nest."""
    group = click.Group("topic", {"create": probe})
    section = {"create": {"json": True, "database_url": "d"}}

    found = defaults(group, section, "topic")

    assert found == {"create": {"as_json": True, "database_url": "d"}}


def test_a_wrong_key_in_a_section_is_refused_by_name() -> None:
    """The error names the section and the nearest option."""
    section = {"create": {"databse_url": "d"}}
    with pytest.raises(ConfigurationError, match=r"databse_url in \[topic.create\]") as caught:
        defaults(click.Group("topic", {"create": probe}), section, "topic")

    assert caught.value.hint == "did you mean database_url?"


def test_the_file_in_the_working_folder_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From file to command, once: `[explain] json` turns its output to JSON."""
    (tmp_path / config.FILE_NAME).write_text("[explain]\njson = true\n")

    assert exit_code(["explain", "slot-lost"]) == 0
    assert capsys.readouterr().out.startswith('{"name":"slot-lost"')


def test_a_settings_file_may_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--config` reads another file, and its errors come out as all errors do."""
    path = tmp_path / "other.toml"
    path.write_text("[explain]\njsn = true\n")

    assert exit_code(["--config", str(path), "explain"]) == 2
    assert "hint: did you mean json?" in capsys.readouterr().err
