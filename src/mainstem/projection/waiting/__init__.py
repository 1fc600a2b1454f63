"""Read your writes: wait until a projection holds everything that lies before a token.

Theory of operation. A token is a place in the WAL (`store.token()`). First the replicator must be
past it: its progress record in Kafka says so (tail.py). Then everything before the token is in
the topics; where their logs end at that moment is a mark (marks.py). When the offsets of the
projection are past the mark, it holds all of it (looking.py). One thread looks for all who wait
(watch.py), and only while somebody does; the two faces only wait for it (faces.py).

A mark goes by the ends of the logs, and not by those that a read_committed consumer sees: Kafka
shows a transaction partition by partition, the progress perhaps before the events.
"""

from __future__ import annotations

from mainstem.errors import MissingExtra, NotCaughtUp, ProjectionHalted

try:
    from mainstem.projection.waiting.faces import AsyncProjectionWaiter, ProjectionWaiter
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "confluent_kafka":
        raise
    raise MissingExtra("kafka", "waiting for projections") from error

__all__ = ["AsyncProjectionWaiter", "NotCaughtUp", "ProjectionHalted", "ProjectionWaiter"]
