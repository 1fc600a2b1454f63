"""The orders, and the topic of what happens to them."""

from __future__ import annotations

from uuid import uuid4

from django.db import migrations, models

from mainstem.contrib.django.operations import CreateEventTopic, MainstemInit


class Migration(migrations.Migration):
    """The first step."""

    initial = True
    operations = [
        MainstemInit(),
        CreateEventTopic("order_events"),
        migrations.CreateModel(
            name="Order",
            fields=[
                ("id", models.UUIDField(default=uuid4, primary_key=True, serialize=False)),
                ("customer", models.TextField()),
                ("total", models.DecimalField(decimal_places=2, max_digits=12)),
            ],
        ),
    ]
