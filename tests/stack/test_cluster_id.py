"""The id of a new Kafka cluster, which goes onto a command line."""

from __future__ import annotations

from mainstem.stack.kafka import cluster_id


def test_a_cluster_id_is_never_taken_for_an_option() -> None:
    """One in 64 random ids begins with a hyphen, which the format tool takes for an option."""
    drawn = {cluster_id() for _ in range(2000)}

    assert len(drawn) == 2000
    assert not [one for one in drawn if one.startswith("-")]
    assert {len(one) for one in drawn} == {22}
