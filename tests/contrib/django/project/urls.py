"""Views that save, each in another way."""

from __future__ import annotations

from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path

from mainstem import Event
from mainstem.contrib.django import event_store
from tests.contrib.django.project.ledger.events import TOPIC, Noted
from tests.contrib.django.project.ledger.models import Entry


def write(key: UUID) -> None:
    """An entry and its event, then an error if the key is zero."""
    with transaction.atomic():
        Entry.objects.create(key=key)
        event_store().save(TOPIC, Event(key, Noted(text="ä")), within="default")
        if key.int == 0:
            raise LookupError


def sync_view(_: HttpRequest, key: UUID) -> HttpResponse:
    """Write, in the request's own thread."""
    write(key)
    return HttpResponse(status=201)


async def async_view(_: HttpRequest, key: UUID) -> HttpResponse:
    """Write, in the thread that Django gives to such code."""
    await sync_to_async(write)(key)
    return HttpResponse(status=201)


urlpatterns = [path("sync/<uuid:key>", sync_view), path("async/<uuid:key>", async_view)]
