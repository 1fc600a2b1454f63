"""What `manage.py check` finds, and the address that is made of DATABASES."""

from __future__ import annotations

from typing import Any
from unittest import mock

from django.core.checks import run_checks
from django.db import connections
from django.test import SimpleTestCase, override_settings
from psycopg.conninfo import conninfo_to_dict

from mainstem.contrib.django import checks, event_store
from mainstem.contrib.django.database import conninfo
from mainstem.errors import ConfigurationError

WRONG: list[tuple[Any, str, str]] = [
    ([], checks.SETTINGS_ID, "must be a dict"),
    ({"TYPE": []}, checks.SETTINGS_ID, "has no TYPE"),
    ({"DATABASE": ""}, checks.SETTINGS_ID, "must be a string"),
    ({"SCHEMA_REGISTRY_URL": 7}, checks.SETTINGS_ID, "must be a string"),
    ({"TYPES": "a.b"}, checks.SETTINGS_ID, "must be a list"),
    ({"TYPES": ["no.such.module"]}, checks.SETTINGS_ID, "no"),
    ({"TYPES": [7]}, checks.SETTINGS_ID, "is no class"),
    ({"DATABASE": "nowhere"}, checks.DATABASE_ID, "has no 'nowhere'"),
    ({"DATABASE": "small"}, checks.DATABASE_ID, "not PostgreSQL but sqlite"),
]


class Checks(SimpleTestCase):
    """Wrong settings, met before a request meets them; nothing connects."""

    def test_right_settings_pass(self) -> None:
        """Aim: no false alarm. Method: all of Django's checks."""
        assert run_checks() == []

    def test_each_mistake_is_named(self) -> None:
        """Aim: the message tells which key. Method: one mistake at a time."""
        for value, identity, words in WRONG:
            with self.subTest(value=value), override_settings(MAINSTEM=value):
                (found,) = run_checks()

                assert found.id == identity
                assert words in found.msg
                with self.assertRaisesMessage(ConfigurationError, words):
                    event_store()

    def test_the_other_driver_is_refused(self) -> None:
        """Aim: psycopg2 cannot carry events. Method: let Django say that it uses it."""
        with mock.patch("django.db.backends.postgresql.psycopg_any.is_psycopg3", new=False):
            (found,) = run_checks()

        assert "psycopg2" in found.msg


class Addresses(SimpleTestCase):
    """DATABASES as libpq knows it."""

    def test_the_address_keeps_what_libpq_knows(self) -> None:
        """Aim: our connections reach what Django's reach. Method: options of each sort."""
        options = {
            "sslmode": "prefer",
            "prepare_threshold": 5,
            "assume_role": r"a \b",
            "isolation_level": 2,
            "options": "-c work_mem=1MB",
        }
        settings = connections["default"].settings_dict
        changed = {"OPTIONS": options, "PASSWORD": "it's a \\ secret"}
        with mock.patch.dict(settings, changed):
            address = conninfo_to_dict(conninfo("default"))

        assert address["sslmode"] == "prefer"
        assert address["password"] == "it's a \\ secret"
        assert address["options"] == r"-c work_mem=1MB -c role=a\ \\b"
        assert address["dbname"] == settings["NAME"]
        assert not {"prepare_threshold", "assume_role", "isolation_level"} & address.keys()
