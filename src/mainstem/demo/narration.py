"""What the demo says while it runs, as lines of text: pure. A screen shows them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from mainstem.demo.proof import Kill, ProjectionKill, Proof
from mainstem.demo.revenue import pounds
from mainstem.errors import MainstemError

DIGEST_CELLS = 12
DOCUMENTATION = "mainstem up, then the first example in the README"


class Progress(NamedTuple):
    """How far the saving and the carrying are."""

    total: int
    saved: int
    in_kafka: int
    events_per_s: float
    behind_s: float


class Screen(Protocol):
    """Where the demo's story appears."""

    def say(self, text: str) -> None:
        """Show one line."""

    def progress(self, progress: Progress) -> None:
        """Show how far things are, in place of what was shown before."""

    def finish(self) -> None:
        """End the bars, so that plain lines may follow."""


def done_line(name: str, detail: str, seconds: float) -> str:
    """A server or step that answered: ` ✓ PostgreSQL 18.4   127.0.0.1:54329   1.4 s`."""
    return f" ✓ {name:<17} {detail:<44} {seconds:>5.1f} s"


@contextmanager
def marked(name: str, screen: Screen) -> Iterator[None]:
    """Cross the step out on the screen if it fails; what went wrong is told by the error."""
    try:
        yield
    except MainstemError:
        screen.say(f" ✗ {name}")
        raise


def kill_line(kill: Kill) -> str:
    """One kill: whom, when, what hung in the air, and who took over."""
    records = "record" if kill.open_records == 1 else "records"
    caught = (
        f"in mid-transaction ({kill.open_records:,} {records} open)"
        if kill.open_records
        else "between two transactions"
    )
    return (
        f"   ✗ kill -9 pid {kill.killed_pid} at event {kill.at_event:,}, {caught},"
        f" {kill.in_flight:,} in flight"
        f" → pid {kill.successor_pid} took over after {kill.recovery_s:.1f} s"
    )


def projection_kill_line(kill: ProjectionKill) -> str:
    """One kill of the projection: whom, when, what was rolled back, and who took over."""
    caught = "in mid-transaction (rolled back)" if kill.bit else f"its transaction {kill.outcome}"
    return (
        f"   ✗ kill -9 pid {kill.killed_pid}, the projection, at event {kill.applied:,}, {caught}"
        f" → pid {kill.successor_pid} took over after {kill.recovery_s:.1f} s"
    )


def progress_line(progress: Progress) -> str:
    """How far things are, for a screen without bars."""
    return (
        f"   saved {progress.saved:,} of {progress.total:,} ({progress.events_per_s:,.0f}/s)"
        f" │ in Kafka {progress.in_kafka:,}, {progress.behind_s:.1f} s behind"
    )


def proof_lines(proof: Proof, table_hash: str | None, topic_hash: str | None) -> list[str]:
    """The proof for people."""
    found = proof.findings
    claim = (
        "every saved event is in Kafka exactly once, in commit order,"
        " and once in the projection's table"
    )
    counted = (
        f"saved {proof.saved:,}",
        f"in Kafka {found.in_kafka:,}",
        f"lost {found.lost:,}",
        f"doubled {found.doubled:,}",
        f"out of order {found.reordered:,}",
        f"altered {found.altered:,}",
        kills_text(proof),
    )
    lines = [
        f"Proof: {claim}" if proof.holds else f"NOT PROVEN: {claim}",
        "   " + " │ ".join(counted),
        speed_text(proof),
    ]
    if table_hash and topic_hash:
        relation = "=" if table_hash == topic_hash else "≠"
        table, topic = short(table_hash), short(topic_hash)
        lines.append(f"   hash of the table {table} {relation} hash of the topic {topic}")
    return [*lines, projection_text(proof)]


def projection_text(proof: Proof) -> str:
    """What the projection's table comes to, and the event table by SQL, and the kills."""
    table = proof.table
    relation = "=" if table.revenue == table.expected_revenue else "≠"
    bitten = proof.projection_bitten
    bit = "all bit" if bitten == proof.projection_kills else f"{bitten} bit"
    kills = f"kills {proof.projection_kills}" + (f", {bit}" if proof.projection_kills else "")
    return (
        f"   projection {pounds(table.revenue)} {relation} {pounds(table.expected_revenue)}"
        f" by SQL over the event table │ rows {table.rows} │ different {table.differences}"
        f" │ {kills}"
    )


def speed_text(proof: Proof) -> str:
    """How fast it went, the kills' pauses included."""
    return (
        f"   {proof.events_per_s:,.0f} events per second"
        f" from the first save to the last event in Kafka ({proof.saving_s:.1f} s)"
    )


def kills_text(proof: Proof) -> str:
    """`kills 3, all bit (1,204 records aborted)`."""
    if not proof.kills:
        return "kills 0"
    bit = "all bit" if proof.bitten == proof.kills else f"{proof.bitten} bit"
    return f"kills {proof.kills}, {bit} ({proof.aborted:,} records aborted)"


def short(digest: str) -> str:
    """The ends of a hash: `9f3c…e1b2`."""
    return digest if len(digest) <= DIGEST_CELLS else f"{digest[:4]}…{digest[-4:]}"


def verdict_line(proof: Proof) -> str:
    """The last line for people."""
    if proof.holds:
        return f"PASSED in {proof.seconds:.1f} s. Next: {DOCUMENTATION}"
    return f"FAILED in {proof.seconds:.1f} s, seed {proof.seed}"
