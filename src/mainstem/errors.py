"""Every error that Mainstem raises, in one tree, each with what to do about it.

MainstemError
├── ConfigurationError          a setting, option or name that cannot be right
│   ├── InvalidName             a topic, slot or schema name outside the allowed grammar
│   ├── TopicExists             the topic's table was created before
│   └── MissingExtra            an optional dependency is not installed
├── EventRefused                an event that cannot be saved; nothing was sent
│   ├── UnknownTopic            no table `events.<topic>`
│   ├── WrongKeyType            the key is not of the table's key type
│   ├── UndeclaredPayload       the payload's class carries no @event_type
│   ├── NaiveDatetime           a datetime without time zone
│   ├── ReservedMetadataName    metadata named `id`, `lsn`, `ordinal` or `kid`
│   ├── InvalidMetadata         metadata that is no mapping of str to bytes, or too large
│   ├── ValueOutOfRange         a value that its Avro, Kafka or column type cannot hold
│   ├── TableChanged            the topic's table was dropped or altered meanwhile
│   └── DuplicateRow            a unique constraint of the topic's table forbids the row
├── SchemaError                 a class or schema text that is no valid Avro schema of ours
├── DecodeError                 bytes that are not what they should be
├── SchemaNotFound              the registry knows no such schema
├── RegistryRejected            the registry refused a schema
├── ConnectionMisused           a connection that `within=` cannot work with
├── ConcurrencyConflict         the stream is not in the state that the save expected
├── TransactionFailed           PostgreSQL gave the transaction up; run it again
├── ServerUnavailable           a server is away or broke off; try again later
│   └── OutcomeUnknown          it broke off during the commit: saved or not, nobody knows
├── Superseded                  another one took its place while it was stopped or cut off
├── NotCaughtUp                 a projection did not reach a token in time
├── ProjectionHalted            a projection stands still at an event; an operator is needed
├── StreamHalted                a stream application stands still at an event; an operator is needed
├── StackError                  a local development server did not start or stop
└── Refusal                     a broken condition of the promise; an operator is needed
"""

from __future__ import annotations

import copy
import enum
from typing import ClassVar, Self


class Retry(enum.Enum):
    """What a caller may do after an error."""

    NEVER = "never"
    """The same call fails again: change the input or the configuration."""
    LATER = "later"
    """A server was away: the same call may succeed later."""
    OPERATOR = "operator"
    """A person must look: going on would risk a lost or doubled event."""


class MainstemError(Exception):
    """Something went wrong in Mainstem."""

    retry: ClassVar[Retry] = Retry.NEVER
    remedy: ClassVar[str] = ""

    def __init__(self, message: str | None = None, *, hint: str | None = None) -> None:
        """Keep the message (the class's docstring by default) and the hint for the operator."""
        self.message = message or (type(self).__doc__ or type(self).__name__).strip()
        self.hint = self.remedy if hint is None else hint
        super().__init__(self.message)

    def again(self) -> Self:
        """An equal error for another one who is concerned: each is raised once."""
        twin = copy.copy(self)
        twin.__cause__ = self.__cause__
        return twin

    @property
    def name(self) -> str:
        """The error's name in kebab case, as `mainstem explain` knows it."""
        return kebab_case(type(self).__name__)


class ConfigurationError(MainstemError):
    """A setting cannot be right."""

    remedy = "correct the option, its MAINSTEM_… variable, or mainstem.toml"


class InvalidName(ConfigurationError):
    """A name is outside the allowed grammar."""

    remedy = "use lower-case letters, digits and underscores, at most 63, not starting with a digit"


class TopicExists(ConfigurationError):
    """The topic's table exists already."""

    remedy = "use the topic as it is, or choose another name"


class MissingExtra(ConfigurationError):
    """An optional dependency is not installed."""

    remedy = "install the extra that the message names, or all: pip install 'mainstem[all]'"

    def __init__(self, extra: str, purpose: str) -> None:
        """Name the extra that brings what `purpose` needs."""
        super().__init__(
            f"{purpose} needs the optional dependencies [{extra}]",
            hint=f"pip install 'mainstem[{extra}]'",
        )


class EventRefused(MainstemError):
    """The event cannot be saved; nothing was sent."""


class UnknownTopic(EventRefused):
    """There is no event table for the topic."""

    remedy = "create it: mainstem topic create NAME"


class WrongKeyType(EventRefused):
    """The key is not of the table's key type."""


class UndeclaredPayload(EventRefused):
    """The payload's class is not declared as an event type."""

    remedy = 'decorate the class with @event_type("your.namespace")'


class NaiveDatetime(EventRefused):
    """A datetime carries no time zone."""

    remedy = "use datetime.now(UTC), or attach the time zone that is meant"


class ReservedMetadataName(EventRefused):
    """A metadata name is reserved for Mainstem's own headers."""

    remedy = "rename the entry: id, lsn, ordinal and kid are reserved"


class InvalidMetadata(EventRefused):
    """Metadata is not a mapping of str to bytes within the bounds."""


class ValueOutOfRange(EventRefused):
    """A value does not fit its Avro, Kafka or column type."""


class TableChanged(EventRefused):
    """The topic's table was dropped or altered since it was looked at."""

    retry = Retry.LATER
    remedy = "roll the transaction back and run it again: the table will be looked at afresh"


class DuplicateRow(EventRefused):
    """A row with the same unique values is in the topic's table already."""

    remedy = "look at the constraint that the message names"


class SchemaError(MainstemError):
    """A class or schema text is not a valid Avro schema for an event."""


class DecodeError(MainstemError):
    """Bytes are not what they should be."""

    retry = Retry.OPERATOR


class SchemaNotFound(MainstemError):
    """The schema registry does not know the schema."""

    retry = Retry.OPERATOR
    remedy = "check that readers and writers use the same registry"


class RegistryRejected(MainstemError):
    """The schema registry refused the schema."""


class ConnectionMisused(MainstemError):
    """The connection cannot be used for this call."""


class ServerUnavailable(MainstemError):
    """A server is away or broke off."""

    lost: bool = False
    """Whether the connection is gone with it, so that nothing more can be sent over it."""

    retry = Retry.LATER
    remedy = "check that it runs and that the address is right, then try again"


class OutcomeUnknown(ServerUnavailable):
    """The connection broke during the commit: the events are all saved, or none of them is."""

    remedy = "look for the events before saving them again, or save with event_id="


class ConcurrencyConflict(MainstemError):
    """Events that the save did not expect came first; nothing of it was saved.

    Versions are those of the stream, that is of the events with one key; 0 is a stream without
    events. They are None where an `append_condition` failed.
    """

    retry = Retry.LATER
    remedy = "read the stream again, decide again on what it holds now, and save again"

    def __init__(
        self, message: str, *, expected: int | None = None, actual: int | None = None
    ) -> None:
        """Keep what was expected and what was there."""
        super().__init__(message)
        self.expected = expected
        self.actual = actual


class Superseded(MainstemError):
    """Another one took this one's place while it was stopped or cut off."""

    retry = Retry.LATER
    remedy = "nothing is lost and nothing of its unfinished batch is visible; start it as a standby"


class TransactionFailed(MainstemError):
    """PostgreSQL gave the transaction up, for a conflict or a time limit."""

    conflict: bool = False
    """Whether other transactions were in the way, so that it may succeed at once."""

    retry = Retry.LATER
    remedy = "roll the transaction back and run it again"


class NotCaughtUp(MainstemError):
    """The projection did not reach the token in time; nothing is lost."""

    retry = Retry.LATER
    remedy = "wait longer, or see that `mainstem replicate` and `mainstem project` run and keep up"


class ProjectionHalted(MainstemError):
    """A projection stands still at an event that it cannot apply."""

    retry = Retry.OPERATOR
    remedy = (
        "see what is wrong: mainstem projection list; mend it, then mainstem projection retry"
        " or discard"
    )


class StreamHalted(MainstemError):
    """A stream application stands still at an event that it cannot process; nothing is lost."""

    retry = Retry.OPERATOR
    remedy = (
        "mend the program, or set on_error=DeadLetterTopic(…), and start it again: it goes on with"
        " this event"
    )


class StackError(MainstemError):
    """A local development server did not start or stop."""

    retry = Retry.LATER


class Refusal(MainstemError):
    """A condition of the promise is broken, so nothing more was written.

    Its `name` is one of the table in `mainstem.refusals`, where its meaning and remedy stand.
    """

    retry = Retry.OPERATOR

    def __init__(self, name: str, message: str, *, hint: str) -> None:
        """Keep the refusal's name; use `mainstem.refusals.refusal` to build one."""
        super().__init__(message, hint=hint)
        self._name = name

    @property
    def name(self) -> str:
        """The refusal's name, such as `slot-ahead-of-progress`."""
        return self._name


def kebab_case(name: str) -> str:
    """`UnknownTopic` -> `unknown-topic`."""
    return "".join("-" + c.lower() if c.isupper() else c for c in name).lstrip("-")
