"""The Django middleware: who wrote by a form sees it after the redirect, over real servers."""

from __future__ import annotations

import json

import pytest

from mainstem.kafka.settings import KafkaSettings
from mainstem.testing.databases import Databases
from tests.contrib.django.running import ROOT, manage
from tests.projection.waiting.scene import Scene

pytestmark = pytest.mark.stack


def test_a_browser_of_a_django_project_sees_what_it_wrote(
    mainstem_databases: Databases, kafka: KafkaSettings
) -> None:
    """Aim: the way of a token through cookies and headers. Method: a project as a process."""
    with mainstem_databases.one(()) as address, Scene(address, kafka) as scene:
        scene.replicate()
        scene.project()
        arguments = ("-m", "tests.contrib.django.waiting", scene.topic, scene.line, kafka.bootstrap)
        done = manage(address, *arguments, settings="", folder=ROOT)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"shown": [1] * 10, "late": [200, "1"], "failed": None}
