"""How to reach Kafka, and the settings that every client of ours shares, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mainstem.errors import ConfigurationError

PARTITIONER = "murmur2_random"
"""librdkafka's own default differs from Java's: keys would change partition between writers."""


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """Address of the cluster and the librdkafka settings for security that all clients share.

    `client` is passed through as it is, for `security.protocol`, `sasl.*` and `ssl.*`;
    it never appears in logs or in this value's repr.
    """

    bootstrap: str
    client: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Refuse an address that no client could use."""
        if not self.bootstrap.strip():
            raise ConfigurationError("the Kafka bootstrap address is empty")

    def config(self, **settings: str | int | bool) -> dict[str, str | int | float | bool]:
        """Settings for one librdkafka client; `_` in a name stands for `.`."""
        own = {name.replace("_", "."): value for name, value in settings.items()}
        return {
            "log.connection.close": False,
            # librdkafka tells of each failed connection on stderr; what matters is raised.
            "log_level": 2,
            **self.client,
            "bootstrap.servers": self.bootstrap,
            **own,
        }


def settings_of(kafka: KafkaSettings | str) -> KafkaSettings:
    """The settings, of an address if need be."""
    return KafkaSettings(kafka) if isinstance(kafka, str) else kafka
