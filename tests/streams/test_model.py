"""Programs of streams against a plain model of them, for whatever events come by."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mainstem.event import Event, StoredEvent
from mainstem.streams import DeadLetterTopic, State, Streams
from tests.streams.driving import at, drive
from tests.streams.shop import MINUTE, OrderPaid, OrderPlaced

POISON = 13
BACKWARD, FORWARD = MINUTE, 2 * MINUTE
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Fact(NamedTuple):
    """An event, as short as it can be told."""

    key: str
    second: int
    cents: int
    """None of a payment's."""
    topic: str

    def event(self) -> Event[Any]:
        """The event."""
        made = OrderPlaced("DE", self.cents) if self.topic == "orders" else OrderPaid("card")
        return Event(self.key, made, at(self.second))


FACTS = st.lists(
    st.builds(
        Fact,
        st.sampled_from(["a", "b", "a|", "|"]),
        st.integers(0, 600),
        st.integers(1, POISON - 1),
        st.sampled_from(["orders", "payments"]),
    ),
    max_size=25,
)
POISONED = st.lists(st.tuples(st.integers(0, 25), st.sampled_from(["a", "b"])), max_size=6)


class Seen(NamedTuple):
    """What a program gave, or a model says: the last word of each, and all pairs."""

    counts: dict[str, int]
    sums: dict[tuple[str, int], int]
    by_country: dict[int, int]
    pairs: Counter[tuple[str, int, int]]


def modelled(facts: list[Fact]) -> Seen:
    """What should come of these."""
    orders = [fact for fact in facts if fact.topic == "orders"]
    payments = [fact for fact in facts if fact.topic == "payments"]
    sums: dict[tuple[str, int], int] = defaultdict(int)
    by_country: dict[int, int] = defaultdict(int)
    for fact in orders:
        sums[fact.key, fact.second // 60] += fact.cents
        by_country[fact.second // 60] += 1
    pairs = Counter(
        (order.key, order.second, payment.second)
        for order in orders
        for payment in payments
        if order.key == payment.key
        and -BACKWARD.seconds <= payment.second - order.second <= FORWARD.seconds
    )
    return Seen(dict(Counter(fact.key for fact in orders)), dict(sums), dict(by_country), pairs)


def counted(event: StoredEvent[OrderPlaced], state: State) -> tuple[Any, int]:
    """How many orders the key has."""
    orders = state.get("orders", 0) + 1
    state.set("orders", orders)
    return event.key, orders


def refuse(event: StoredEvent[OrderPlaced]) -> None:
    """Fail at poison."""
    if event.payload.cents == POISON:
        raise ValueError(POISON)


class Watched:
    """A program, and what it gave in transactions that were committed."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._given: list[tuple[str, Any]] = []

    def __call__(self, streams: Streams) -> None:
        """Count, sum, regroup and join; and fail at poison once all is done."""
        orders = streams.subscribe("orders", OrderPlaced)
        payments = streams.subscribe("payments", OrderPaid)
        orders.apply(counted, stateful=True).update(self.note("counts"))
        orders.tumbling_window(MINUTE, grace=DAY).sum("cents").current().update(self.note("sums"))
        orders.join_interval(
            payments,
            lambda order, payment: (order.key, order.timestamp, payment.timestamp),
            backward=BACKWARD,
            forward=FORWARD,
        ).update(self.note("pairs"))
        orders.update(refuse)
        regrouped = orders.group_by("country").tumbling_window(MINUTE, grace=DAY)
        regrouped.count().current().update(self.note("by_country"))

    def note(self, kind: str) -> Any:
        """A function that notes what comes by."""
        return lambda value: self._given.append((kind, value))

    def since(self, length: int) -> None:
        """Forget what was given after there were so many: its transaction was given up."""
        del self._given[length:]

    def __len__(self) -> int:
        """How much was given."""
        return len(self._given)

    def seen(self) -> Seen:
        """What it gave."""
        seen = Seen({}, {}, {}, Counter())
        for kind, value in self._given:
            if kind == "counts":
                seen.counts[value[0]] = value[1]
            elif kind == "pairs":
                key, first, second = value
                seen.pairs[key, seconds(first), seconds(second)] += 1
            elif kind == "sums":
                seen.sums[value.key, seconds(value.start) // 60] = value.value
            else:
                seen.by_country[seconds(value.start) // 60] = value.value
        return seen


def seconds(moment: Any) -> int:
    """Since noon."""
    return int((moment - at(0)).total_seconds())


MODEL = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@MODEL
@given(facts=FACTS, partitions=st.sampled_from([1, 3]))
def test_streams_give_what_the_model_says(facts: list[Fact], partitions: int) -> None:
    """In whatever order events come: counts, sums, windows by another key, and pairs."""
    watched = Watched()
    with drive(watched, partitions=partitions) as driver:
        for fact in facts:
            driver.given(fact.event(), topic=fact.topic)

    assert watched.seen() == modelled(facts)


@MODEL
@given(facts=FACTS, poison=POISONED, partitions=st.sampled_from([1, 3]))
def test_streams_give_the_same_with_poison_among_the_events(
    facts: list[Fact], poison: list[tuple[int, str]], partitions: int
) -> None:
    """As if it had never come: set it aside in the midst of them."""
    watched = Watched()
    mixed = [*facts]
    for place, key in poison:
        mixed.insert(place, Fact(key, place, POISON, "orders"))
    options: dict[str, Any] = {"on_error": DeadLetterTopic("dead")}
    with drive(watched, partitions=partitions, **options) as driver:
        for fact in mixed:
            before = len(watched)
            driver.given(fact.event(), topic=fact.topic)
            if fact.cents == POISON:
                watched.since(before)
        letters = driver.results(topic="dead")

    assert watched.seen() == modelled(facts)
    assert [letter.payload.cents for letter in letters] == [POISON] * len(poison)
