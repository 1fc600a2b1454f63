"""Values that state may hold, and the codec that keeps them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from mainstem.event import Event, GenericPayload, Position, StoredEvent
from mainstem.registry.memory import MemoryRegistry
from mainstem.streams.internal import InternalCodec
from mainstem.wire import Wire
from tests.schema.payloads import Everything
from tests.schema.strategies import EVERYTHING
from tests.streams.shop import OrderPlaced

EASTERN = timezone(timedelta(hours=3))


def codec(cipher: Any = None) -> InternalCodec:
    """A codec that knows the classes of these values, with a registry of its own."""
    return InternalCodec(Wire(MemoryRegistry(), [OrderPlaced, Everything]), cipher)


TEXTS = st.text(st.characters(exclude_categories=()), max_size=12)
"""Lone surrogates are among them."""
SINGLE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**200), 2**200),
    st.floats(allow_nan=False),
    TEXTS,
    st.binary(max_size=12),
    st.uuids(),
    st.decimals(allow_nan=False),
    st.dates(),
    st.times(timezones=st.sampled_from([None, UTC, EASTERN])),
    st.timedeltas(),
    st.datetimes(),
    st.datetimes(datetime.fromisoformat("0001-01-02"), timezones=st.just(EASTERN)),
)
KEYS = TEXTS | st.uuids() | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=9) | st.booleans()
PAYLOADS = st.one_of(
    st.builds(OrderPlaced, st.text(max_size=5), st.integers(-(2**63), 2**63 - 1)),
    EVERYTHING,
    st.builds(GenericPayload, st.text(max_size=5), st.dictionaries(st.text(max_size=5), SINGLE)),
)
MOMENTS = st.datetimes(datetime.fromisoformat("1970-01-01"), timezones=st.just(UTC))
METADATA = st.dictionaries(st.text(max_size=5), st.binary(max_size=5), max_size=3)
EVENTS = st.builds(Event, KEYS, PAYLOADS, MOMENTS, METADATA)
NUMBERS = st.integers(0, 2**63 - 1)
STORED = st.builds(
    StoredEvent,
    KEYS,
    PAYLOADS,
    MOMENTS,
    METADATA,
    topic=st.text(max_size=9),
    id=NUMBERS,
    position=st.none() | st.builds(Position, NUMBERS, NUMBERS),
    partition=st.none() | NUMBERS,
    offset=st.none() | NUMBERS,
    version=st.none() | NUMBERS,
)


@st.composite
def single(draw: st.DrawFn) -> Any:
    """A value that holds no others, under a short name: hypothesis warns of long ones."""
    return draw(SINGLE)


@st.composite
def leaf(draw: st.DrawFn) -> Any:
    """A single value, a payload or an event."""
    return draw(SINGLE | PAYLOADS | EVENTS | STORED)


@st.composite
def hashable(draw: st.DrawFn) -> Any:
    """A value that a set takes, with others in it or not."""
    within = st.tuples(single(), single()) | st.frozensets(single(), max_size=3)
    inside = single() | within
    return draw(inside | st.tuples(within, inside) | st.frozensets(inside, max_size=3))


VALUES = st.recursive(
    leaf(),
    lambda inside: st.one_of(
        st.lists(inside, max_size=4),
        st.lists(inside, max_size=4).map(tuple),
        st.dictionaries(hashable(), inside, max_size=4),
        st.sets(hashable(), max_size=4),
    ),
    max_leaves=8,
)
