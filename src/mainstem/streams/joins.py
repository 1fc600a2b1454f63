"""Joins: Quix Streams' own, the as-of mended for false values, the interval for any order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from quixstreams.dataframe.joins.join_asof import AsOfJoin
from quixstreams.dataframe.joins.join_interval import IntervalJoin
from quixstreams.models.topics.exceptions import TopicPartitionsMismatch
from quixstreams.state.exceptions import StoreAlreadyRegisteredError

from mainstem.errors import ConfigurationError

if TYPE_CHECKING:
    from quixstreams.dataframe import StreamingDataFrame
    from quixstreams.dataframe.joins.lookups import BaseField, BaseLookup

Kept: TypeAlias = timedelta
"""How long the values of a side are kept, behind the newest of their key."""
Merge: TypeAlias = Callable[[Any, Any], Any]


class Pairs(NamedTuple):
    """How the values of two streams are put together."""

    merge: Merge
    how: Any
    keep: Kept
    name: str | None
    """Of the state; a stream that is joined several times needs several."""


class AsOf(AsOfJoin):
    """The engine's; there a value of the right that is false, 0 say, would be none at all."""

    def _prepare_join(
        self, left: StreamingDataFrame, right: StreamingDataFrame
    ) -> StreamingDataFrame:
        self._register_store(right, keep_duplicates=False)
        merge, inner, of = self._merger, self._how == "inner", self._get_transaction

        def joined(value: Any, key: Any, at_ms: int, _headers: Any) -> list[Any]:
            last = of(right).get_latest(timestamp=at_ms, prefix=key)
            return [] if last is None and inner else [merge(value, last)]

        def kept(value: Any, key: Any, at_ms: int, _headers: Any) -> list[Any]:
            of(right).set_for_timestamp(timestamp=at_ms, value=value, prefix=key)
            return []

        return both(left, joined, right, kept)


class Interval(IntervalJoin):
    """The engine's, for any order: its own finds no pair whose younger one comes by first."""

    def _prepare_join(
        self, left: StreamingDataFrame, right: StreamingDataFrame
    ) -> StreamingDataFrame:
        self._register_store(left, keep_duplicates=True)
        self._register_store(right, keep_duplicates=True)
        merge, how, of = self._merger, self._how, self._get_transaction
        backward, forward = self._backward_ms, self._forward_ms

        def of_left(value: Any, key: Any, at_ms: int, _headers: Any) -> list[Any]:
            of(left).set_for_timestamp(timestamp=at_ms, value=value, prefix=key)
            found = of(right).get_interval(at_ms - backward, at_ms + forward + 1, key)
            if found or how not in {"left", "outer"}:
                return [merge(value, other) for other in found]
            return [merge(value, None)]

        def of_right(value: Any, key: Any, at_ms: int, _headers: Any) -> list[Any]:
            of(right).set_for_timestamp(timestamp=at_ms, value=value, prefix=key)
            found = of(left).get_interval(at_ms - forward, at_ms + backward + 1, key)
            if found or how not in {"right", "outer"}:
                return [merge(other, value) for other in found]
            return [merge(None, value)]

        return both(left.set_headers(no_headers), of_left, right.set_headers(no_headers), of_right)


def both(
    left: StreamingDataFrame, of_left: Any, right: StreamingDataFrame, of_right: Any
) -> StreamingDataFrame:
    """What functions make of each of the left and each of the right, together."""
    lefts = left.apply(of_left, expand=True, metadata=True)
    return lefts.concat(right.apply(of_right, expand=True, metadata=True))


def no_headers(*_: Any) -> list[Any]:
    """None: a pair comes from two events."""
    return []


def joined_asof(
    left: StreamingDataFrame, right: StreamingDataFrame, pairs: Pairs
) -> StreamingDataFrame:
    """Each of the left with the last of the right before it; ConfigurationError."""
    merge, how, keep, name = pairs
    return joinable(lambda: AsOf(how, merge, keep, name).join(left, right))


def joined_interval(
    left: StreamingDataFrame,
    right: StreamingDataFrame,
    pairs: Pairs,
    bounds: tuple[timedelta, timedelta],
) -> StreamingDataFrame:
    """Pairs whose times lie within bounds; ConfigurationError."""
    merge, how, keep, name = pairs
    backward, forward = bounds
    if max(backward, forward) > keep:
        raise ConfigurationError(
            f"values are kept for {keep}, but the join reaches {max(backward, forward)} far",
            hint="keep=… must be at least as long as backward and forward",
        )
    return joinable(lambda: Interval(how, merge, keep, name, backward, forward).join(left, right))


def joinable(join: Callable[[], StreamingDataFrame]) -> StreamingDataFrame:
    """Do it; ConfigurationError for streams that cannot be joined."""
    try:
        return join()
    except TopicPartitionsMismatch as error:
        raise ConfigurationError(
            f"streams of topics with unequal numbers of partitions cannot be joined: {error}",
            hint="equal keys must meet in one partition; .group_by(…) on one side moves them into"
            " a topic with as many partitions as its source",
        ) from error
    except ValueError as error:
        raise ConfigurationError(
            f"the streams cannot be joined: {error}",
            hint="they must come from different topics; .group_by(…) makes another one of a topic",
        ) from error
    except StoreAlreadyRegisteredError as error:
        raise ConfigurationError(
            f"a stream is joined a second time with state of the same name: {error}",
            hint="give the second join a name=… of its own, and never change it",
        ) from error


def looked_up(
    frame: StreamingDataFrame,
    lookup: BaseLookup[Any],
    fields: dict[str, BaseField],
    merge: Merge,
    on: Callable[[Any], str] | None,
) -> StreamingDataFrame:
    """Each with the fields of a lookup, which fills a dict and so is given a fresh one."""

    def enriched(value: Any, key: str, timestamp_ms: int, headers: Any) -> Any:
        found: dict[str, Any] = {}
        wanted = key if on is None else on(value)
        lookup.join(fields, wanted, found, key, timestamp_ms, headers)
        return merge(value, found)

    return frame.apply(enriched, metadata=True)
