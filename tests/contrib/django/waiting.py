"""A Django project of one file, which writes and reads by its test client: run as a process.

Arguments: topic, line and Kafka of the scene that replicates and projects. It prints JSON: whether
each of ten writes was shown to the browser that wrote it, and what comes of a token that is never
reached and of a request that fails.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any
from uuid import UUID, uuid4

import django
import psycopg
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.test import Client
from django.urls import path

from mainstem import Event, StoredEvent
from mainstem.contrib.django import event_store
from mainstem.contrib.django.middleware import ReadYourWrites
from mainstem.contrib.read_your_writes import Passage
from mainstem.projection.definition import Projection
from mainstem.projection.handlers import on
from tests.contrib.django.project.settings import database
from tests.projection.waiting.scene import Happened

TOPIC, LINE, KAFKA = sys.argv[1:4]
NEVER = "FFFFFFFF/0"


class Seen(Projection):
    """What the scene's projector does by hand, as far as its name and topic go."""

    name = f"seen_{LINE}"
    topics = (TOPIC,)

    @on()
    def note(self, event: StoredEvent[Any], tx: psycopg.Connection[Any]) -> None:
        """Never called here."""


class Waiting(ReadYourWrites):
    """Waits for it."""

    projections = (Seen,)
    kafka = KAFKA
    line = LINE
    passage = Passage(cookie="written", timeout_s=2.0)


def orders(request: HttpRequest, key: UUID) -> JsonResponse:
    """Save by POST, show by GET."""
    if request.method == "POST":
        event_store().save(TOPIC, Event(key, Happened(1)))
        return JsonResponse({}, status=201)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM seen WHERE key = %s", [key])
        return JsonResponse({"seen": cursor.fetchone()[0]})


urlpatterns = [path("<uuid:key>", orders)]


def main() -> None:
    """Write and read, as a browser and as a program."""
    browser, shown = Client(), []
    for _ in range(10):
        place = f"/{uuid4()}"
        browser.post(place)
        shown.append(browser.get(place).json()["seen"])
    late = Client().get(f"/{uuid4()}", headers={"Mainstem-Token": NEVER})
    told = (late.status_code, late.headers.get("Mainstem-Stale"))
    failed = browser.post("/nowhere").headers.get("Mainstem-Token")
    sys.stdout.write(json.dumps({"shown": shown, "late": told, "failed": failed}))


if __name__ == "__main__":
    settings.configure(
        SECRET_KEY="test",
        ALLOWED_HOSTS=["testserver"],
        DATABASES={"default": database(os.environ["DATABASE_URL"].rpartition("/")[2])},
        ROOT_URLCONF=__name__,
        MIDDLEWARE=[f"{__name__}.Waiting"],
        MAINSTEM={"TYPES": [Happened]},
    )
    django.setup()
    main()
