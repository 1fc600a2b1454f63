"""The trace context that events carry where the application uses OpenTelemetry."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    Tracer,
    TraceState,
    use_span,
)

from mainstem.correlation import carried, carried_all, metadata
from mainstem.event import Event

TRACEPARENT = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]")


@pytest.fixture
def tracer() -> Tracer:
    """A tracer of the real SDK."""
    return TracerProvider().get_tracer("tests")


def event(**entries: bytes) -> Event[str]:
    """An event with these entries of its own."""
    return Event("key", "payload", metadata=entries)


def traceparent(context: SpanContext) -> bytes:
    """The W3C's text for it."""
    flags = int(context.trace_flags)
    return b"00-%032x-%016x-%02x" % (context.trace_id, context.span_id, flags)


def test_events_saved_in_a_span_carry_its_context(tracer: Tracer) -> None:
    """Carry inside two spans, one in the other, and outside: the trace is one, the spans differ."""
    with tracer.start_as_current_span("request") as request:
        outer = carried(event())
        with tracer.start_as_current_span("save"):
            inner, again = carried_all([event(), event()])
    ids = request.get_span_context()

    assert set(outer.metadata) == {"traceparent"}
    assert outer.metadata["traceparent"] == traceparent(ids)
    assert TRACEPARENT.fullmatch(inner.metadata["traceparent"])
    assert inner.metadata["traceparent"][:35] == outer.metadata["traceparent"][:35]
    assert inner.metadata == again.metadata != outer.metadata
    assert not carried(event()).metadata


def test_a_span_that_is_not_sampled_is_told_too() -> None:
    """Carry inside a span that nobody records: the flag says so."""
    tracer = TracerProvider(sampler=ALWAYS_OFF).get_tracer("tests")

    with tracer.start_as_current_span("request"):
        found = carried(event()).metadata["traceparent"]

    assert TRACEPARENT.fullmatch(found)
    assert not int(found[-2:], 16) & TraceFlags.SAMPLED


def test_the_state_of_a_vendor_comes_along() -> None:
    """Carry inside a span that came from elsewhere, with a tracestate."""
    context = SpanContext(
        1, 2, is_remote=True, trace_flags=TraceFlags(1), trace_state=TraceState([("v", "1")])
    )

    with use_span(NonRecordingSpan(context)):
        found = carried(event()).metadata

    assert dict(found) == {"traceparent": traceparent(context), "tracestate": b"v=1"}


def test_a_block_and_the_event_win_over_the_span() -> None:
    """Give a traceparent by hand, around and in the event; entries of two traces never mix."""
    context = SpanContext(1, 2, is_remote=True, trace_state=TraceState([("v", "1")]))

    with use_span(NonRecordingSpan(context)), metadata(actor="ada"):
        both = carried(event())
        own = carried(event(traceparent=b"own"))
        with metadata(traceparent="block"):
            block = carried(event())

    assert set(both.metadata) == {"actor", "traceparent", "tracestate"}
    assert dict(own.metadata) == {"traceparent": b"own", "actor": b"ada"}
    assert dict(block.metadata) == {"traceparent": b"block", "actor": b"ada"}


def test_nothing_of_opentelemetry_is_loaded_for_who_does_not_use_it() -> None:
    """Carry in a process that has not imported it: it is still not imported."""
    code = (
        "import sys; from mainstem.event import Event; from mainstem.correlation import *;"
        " e = Event('k', 'p'); assert carried(e) is e;"
        " print([n for n in sys.modules if n.startswith('opentelemetry')])"
    )

    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout

    assert printed == "[]\n"
