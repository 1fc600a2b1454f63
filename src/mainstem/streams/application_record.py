"""The record of a stream application: which topics it began with, and what may not change; pure.

Kafka key: the application's name. Value: one JSON object. A topic that the program no longer uses
stays in the record, as its offsets and its state stay in Kafka: should the program use it again, it
goes on from there, and is refused if that is not possible. Only a reset forgets.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from mainstem.errors import ConfigurationError
from mainstem.kafka.delivered import Place
from mainstem.refusals import refusal

if TYPE_CHECKING:
    from mainstem.kafka.topics import TopicFacts

FORMAT: Final = 1
FOR_EVER: Final = "-1"
BOUNDS: Final = ("retention.ms", "retention.bytes")


class Role(Enum):
    """What a topic is to an application."""

    SOURCE = "source"
    REPARTITION = "repartition"
    CHANGELOG = "changelog"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """What the program of an application reads and keeps, as it is now."""

    app: str
    """Its name, which is its consumer group too."""
    sources: tuple[str, ...]
    repartitions: tuple[str, ...] = ()
    changelogs: tuple[str, ...] = ()
    state_format: int

    def roles(self) -> dict[str, Role]:
        """What each topic is to it."""
        return {
            **dict.fromkeys(self.sources, Role.SOURCE),
            **dict.fromkeys(self.repartitions, Role.REPARTITION),
            **dict.fromkeys(self.changelogs, Role.CHANGELOG),
        }


@dataclass(frozen=True, slots=True)
class TopicState:
    """The identity of a topic, which must not change under an application."""

    topic_id: str
    partitions: int
    role: Role


@dataclass(frozen=True, slots=True)
class ApplicationRecord:
    """What is known durably of an application."""

    state_format: int
    topics: Mapping[str, TopicState] = field(default_factory=dict)

    def lacks(self, topology: Topology) -> list[str]:
        """The topics of the program that are not in the record."""
        return [name for name in topology.roles() if name not in self.topics]

    def internal(self) -> list[str]:
        """The topics that belong to the application alone."""
        return [name for name, topic in self.topics.items() if topic.role is not Role.SOURCE]

    def extended(self, topology: Topology, facts: Mapping[str, TopicFacts]) -> ApplicationRecord:
        """The same with the topics that it lacks."""
        roles = topology.roles()
        new = {
            name: TopicState(facts[name].topic_id, facts[name].partitions, roles[name])
            for name in self.lacks(topology)
        }
        return ApplicationRecord(self.state_format, {**self.topics, **new})

    def encode(self) -> bytes:
        """The record's value."""
        topics = {
            name: {"id": topic.topic_id, "partitions": topic.partitions, "role": topic.role.value}
            for name, topic in self.topics.items()
        }
        fields = {"format": FORMAT, "state_format": self.state_format, "topics": topics}
        return json.dumps(fields, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, app: str, data: bytes) -> Self:
        """Read a record's value; Refusal `stream-record-format` for anything but ours."""
        try:
            fields = json.loads(data)
            if fields["format"] != FORMAT:
                raise refusal(
                    "stream-record-format",
                    f"the record of {app} has format {fields['format']!r}, this version of"
                    f" Mainstem reads {FORMAT}",
                )
            topics = {name: topic_state(entry) for name, entry in fields["topics"].items()}
            return cls(int(fields["state_format"]), topics)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise refusal(
                "stream-record-format",
                f"the record of {app}, {len(data)} bytes, is not of Mainstem's form",
            ) from error


def topic_state(entry: dict[str, Any]) -> TopicState:
    """A topic's state from JSON."""
    return TopicState(str(entry["id"]), int(entry["partitions"]), Role(entry["role"]))


class Reached(NamedTuple):
    """Where a group is in its partitions, and what Kafka holds of them."""

    firsts: Mapping[Place, int]
    committed: Mapping[Place, int]
    ends: Mapping[Place, int]


class Traces(NamedTuple):
    """What was there under an application's names before it was told of."""

    kept: frozenset[str]
    """Topics that its group keeps offsets of."""
    members: int
    filled: frozenset[str]
    """Topics of its own that hold records."""


def check_retention(
    topology: Topology, facts: Mapping[str, TopicFacts], *, accept_retention: bool
) -> None:
    """No topic deletes what a replay needs; `accept_retention`: sources may."""
    for name, role in topology.roles().items():
        if role is Role.SOURCE and accept_retention:
            continue
        if problem := forgetting(role, facts[name].settings):
            raise refusal("stream-retention", f"the {role.value} topic {name} has {problem}")


def check_record_topic(facts: TopicFacts) -> None:
    """The topic of records keeps the last one of each application."""
    if problem := forgetting(Role.CHANGELOG, facts.settings):
        raise refusal("stream-retention", f"the topic of records {facts.name} has {problem}")


def forgetting(role: Role, settings: Mapping[str, str]) -> str:
    """The setting by which a topic loses what it must keep; empty if it keeps everything."""
    policy = settings["cleanup.policy"]
    words = {word.strip() for word in policy.split(",")}
    if role is Role.REPARTITION and "compact" in words:
        return f"cleanup.policy={policy}, which deletes older records of a key"
    if role is Role.CHANGELOG and "compact" not in words:
        return f"cleanup.policy={policy}, under which it grows for ever or forgets"
    bounds = BOUNDS if "delete" in words else ()
    return ", ".join(f"{name}={settings[name]}" for name in bounds if settings[name] != FOR_EVER)


def check_record(
    topology: Topology, record: ApplicationRecord, facts: Mapping[str, TopicFacts]
) -> None:
    """State can be read by this version, and topics are those that the application began with."""
    if record.state_format != topology.state_format:
        raise refusal(
            "stream-record-format",
            f"the state of {topology.app} has format {record.state_format}, this version of"
            f" Mainstem writes {topology.state_format}; a cipher is part of the number",
        )
    for name in topology.roles():
        if name in record.topics:
            check_topic(topology.app, record.topics[name], facts[name])


def check_topic(app: str, known: TopicState, facts: TopicFacts) -> None:
    """The topic is the one that the application began with."""
    if facts.topic_id != known.topic_id:
        raise refusal(
            "stream-topic-recreated",
            f"{app} began with the {known.role.value} topic {facts.name} of id {known.topic_id},"
            f" which has id {facts.topic_id} now{consequence(app, known.role)}",
        )
    if facts.partitions != known.partitions:
        raise refusal(
            "stream-partitions-changed",
            f"{app} began with {known.partitions} partitions of the {known.role.value} topic"
            f" {facts.name}, which has {facts.partitions} now",
        )


def consequence(app: str, role: Role) -> str:
    """What is lost with a deleted topic."""
    if role is Role.CHANGELOG:
        return f": state is lost; `mainstem stream reset {app}`, and it replays its sources"
    return ""


def check_vacant(app: str, traces: Traces) -> None:
    """Nobody else has the group or the topics of an application that begins."""
    if traces.kept:
        problem = f"its group has offsets of {listed(traces.kept)}"
    elif traces.members:
        problem = f"its group has {traces.members} members"
    elif traces.filled:
        problem = f"there are records in {listed(traces.filled)}"
    else:
        return
    raise refusal("stream-group-taken", f"nothing is known of an application {app}, but {problem}")


def check_extension(app: str, new: Iterable[str], traces: Traces) -> None:
    """Topics may be added: no instance of the program as it was runs, and nobody used them."""
    added = frozenset(new)
    if traces.members:
        raise ConfigurationError(
            f"the program of {app} uses other topics than before ({listed(added)}),"
            f" while {traces.members} instances of it run",
            hint="stop all instances, then start them with the new program; one that was killed"
            " counts until its session ends",
        )
    kept, filled = traces.kept & added, traces.filled & added
    check_vacant(f"{app} with {listed(added)}", Traces(kept, 0, filled))


def listed(names: Iterable[str]) -> str:
    """Names for people."""
    return ", ".join(sorted(names))


def check_reached(app: str, reached: Reached) -> None:
    """The group has an offset of each partition, and Kafka holds everything from there on."""
    lost = [place for place in reached.firsts if place not in reached.committed]
    if lost:
        others = f" and of {len(lost) - 1} other partitions" if len(lost) > 1 else ""
        raise refusal(
            "stream-offsets-lost", f"the group {app} has no offset of {lost[0]}{others} any more"
        )
    for place, offset in reached.committed.items():
        first, end = reached.firsts[place], reached.ends[place]
        if not first <= offset <= end:
            raise refusal(
                "stream-events-deleted",
                f"{app} is at offset {offset} of {place}, but Kafka holds {first} to {end}",
            )
