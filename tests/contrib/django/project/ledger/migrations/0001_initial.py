"""The model and the topic."""

from __future__ import annotations

from django.db import migrations, models

from mainstem.contrib.django.operations import CreateEventTopic, MainstemInit


class Migration(migrations.Migration):
    """The first step."""

    initial = True
    operations = [
        MainstemInit(),
        CreateEventTopic("ledger_events", versioned=True, idempotent=True),
        migrations.CreateModel(
            name="Entry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.UUIDField(unique=True)),
            ],
        ),
    ]
