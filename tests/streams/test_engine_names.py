"""The engine's names that we touch though it keeps them to itself: an upgrade must not move one."""

from __future__ import annotations

import inspect
from importlib.metadata import version
from typing import Any

import pytest
from quixstreams import Application
from quixstreams.core.stream.functions import base
from quixstreams.dataframe import StreamingDataFrame
from quixstreams.dataframe.joins.base import Join
from quixstreams.dataframe.joins.join_asof import AsOfJoin
from quixstreams.dataframe.joins.join_interval import IntervalJoin
from quixstreams.dataframe.registry import DataFrameRegistry
from quixstreams.internal_consumer import InternalConsumer
from quixstreams.internal_consumer.buffering import InternalConsumerBuffer
from quixstreams.internal_producer import InternalProducer
from quixstreams.kafka.consumer import BaseConsumer
from quixstreams.kafka.producer import Producer
from quixstreams.models import MessageContext
from quixstreams.models.topics import TopicManager
from quixstreams.processing import ProcessingContext
from quixstreams.state import StateStoreManager
from quixstreams.state.recovery import RecoveryManager, RecoveryPartition
from quixstreams.utils import pickle

PINNED = "3.28.1"
PARAMETERS: dict[tuple[Any, str], tuple[str, ...]] = {
    (Application, "_run_dataframe"): ("self", "sink"),
    (Application, "_process_message"): ("self", "dataframe_composed"),
    (Application, "_on_assign"): ("self", "_", "topic_partitions"),
    (Application, "_on_revoke"): ("self", "_", "topic_partitions"),
    (Application, "_on_lost"): ("self", "_", "topic_partitions"),
    (Application, "_setup_signal_handlers"): ("self",),
    (Application, "_get_topic_manager"): ("self",),
    (Application, "_get_internal_consumer"): ("self", "on_error", "extra_config_overrides"),
    (Application, "_get_internal_producer"): ("self", "on_error", "transactional"),
    (TopicManager, "_create_topic"): ("self", "topic", "timeout", "create_timeout"),
    (InternalConsumer, "_poll_buffered"): ("self", "timeout"),
    (InternalConsumerBuffer, "clear"): ("self", "topic", "partition"),
    (BaseConsumer, "_broker_available"): ("self",),
    (InternalProducer, "_broker_available"): ("self",),
    (InternalProducer, "commit_transaction"): ("self", "positions", "group_metadata", "timeout"),
    (DataFrameRegistry, "compose_all"): ("self", "sink"),
    (DataFrameRegistry, "get_stream_ids"): ("self", "topic_name"),
    (ProcessingContext, "init_checkpoint"): ("self",),
    (ProcessingContext, "commit_checkpoint"): ("self", "force", "revoking"),
    (ProcessingContext, "store_offset"): ("self", "topic", "partition", "offset"),
    (StateStoreManager, "on_partition_assign"): (
        "self",
        "stream_id",
        "partition",
        "committed_offsets",
    ),
    (AsOfJoin, "_prepare_join"): ("self", "left", "right"),
    (IntervalJoin, "_prepare_join"): ("self", "left", "right"),
    (Join, "_register_store"): ("self", "sdf", "keep_duplicates"),
    (Join, "_get_transaction"): ("self", "sdf"),
    (pickle, "pickle_copier"): ("obj",),
}
MENTIONED: dict[Any, tuple[str, ...]] = {
    Application.__init__: (
        "self._processing_context =",
        "self._dataframe_registry =",
        "self._topic_manager =",
        "self._state_manager =",
        "self._consumer =",
        "self._producer =",
    ),
    Application._run_dataframe: ("self._process_message", "state_manager.recovery_required"),
    InternalConsumer.__init__: ("self._buffer =",),
    InternalProducer.__init__: ("self._producer =",),
    Producer.produce: ("self._producer.produce(",),
    StateStoreManager.__init__: ("self._recovery_manager =",),
    MessageContext.__init__: ("self._topic =", "self._partition =", "self._offset ="),
    Join.__init__: ("self._merger =", "self._how ="),
    IntervalJoin.__init__: ("self._backward_ms =", "self._forward_ms ="),
    RecoveryManager._recovery_loop: ("self._consumer.poll(", "self._update_recovery_status"),
    RecoveryManager._generate_recovery_partitions: ("self._consumer.get_watermark_offsets(",),
    base.StreamFunction._resolve_branching: ("copier = pickle_copier(value)",),
    StreamingDataFrame.group_by: ("_single_partition_groupby",),
}


def test_the_engine_is_the_one_that_was_read() -> None:
    """Another version is read first, then pinned: docs/kafka-streams.md tells what to look at."""
    assert version("quixstreams") == PINNED


@pytest.mark.parametrize(
    ("place", "parameters"),
    PARAMETERS.items(),
    ids=[f"{owner.__name__}.{name}" for owner, name in PARAMETERS],
)
def test_a_method_takes_what_it_took(place: tuple[Any, str], parameters: tuple[str, ...]) -> None:
    """We override it or call it with these."""
    owner, name = place
    found = inspect.signature(inspect.unwrap(getattr(owner, name))).parameters

    assert tuple(found) == parameters


@pytest.mark.parametrize(
    ("function", "texts"), MENTIONED.items(), ids=[each.__qualname__ for each in MENTIONED]
)
def test_a_name_is_where_it_was(function: Any, texts: tuple[str, ...]) -> None:
    """We reach for what is set or called there."""
    source = inspect.getsource(inspect.unwrap(function))

    assert [text for text in texts if text not in source] == []


def test_recovery_ends_at_the_watermark_that_it_was_given() -> None:
    """The guard hangs on this alone: the consumer's position against the end told at the start."""
    assert "_recovery_consume_position >= self._changelog_highwater" in inspect.getsource(
        RecoveryPartition.finished_recovery_check.fget  # type: ignore[attr-defined]  # It is a property.
    )
