"""The entry in INSTALLED_APPS: our checks, and the signals that end a store of tests."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import register
from django.core.signals import setting_changed
from django.db.backends.signals import connection_created

from mainstem.contrib.django import checks, settings, store


class MainstemConfig(AppConfig):
    """An app without models."""

    name = "mainstem.contrib.django"
    label = "mainstem"
    verbose_name = "Mainstem"

    def ready(self) -> None:
        """Let Django call us; nothing connects."""
        register(checks.check)
        setting_changed.connect(settings.reset)
        connection_created.connect(store.make_way)
