"""The contract of an event store, as pytest cases: run it over a store of your own.

    class TestOurStore(EventStoreContract):
        @pytest.fixture
        def store(self): …                       # sync or async, opened with types=PAYLOADS

        @pytest.fixture
        def new_topic(self, store): …            # a function: TopicOptions -> name of a topic

        @pytest.fixture
        def transaction(self): …                 # a function: () -> context manager for within=

The cases are coroutines, so pytest-asyncio must be there, for a synchronous store too. A store
that does without a feature sets the cases about it to None, or derives from the other parts only.
"""

from __future__ import annotations

import pytest

from mainstem.testing.contract_face import PAYLOADS, Cases, Face
from mainstem.testing.contract_reading import ReadingCases
from mainstem.testing.contract_saving import SavingCases, TransactionCases
from mainstem.testing.contract_terms import ConditionCases, IdempotencyCases, VersionCases

__all__ = [
    "PAYLOADS",
    "Cases",
    "ConditionCases",
    "EventStoreContract",
    "Face",
    "IdempotencyCases",
    "ReadingCases",
    "SavingCases",
    "TransactionCases",
    "VersionCases",
]


@pytest.mark.asyncio
class EventStoreContract(
    SavingCases,
    TransactionCases,
    ReadingCases,
    VersionCases,
    IdempotencyCases,
    ConditionCases,
):
    """Everything that an event store promises."""
