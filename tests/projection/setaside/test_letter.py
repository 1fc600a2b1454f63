"""What is set aside comes back as it was, and hostile bytes are kept rather than refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstem.errors import DecodeError
from mainstem.kafka.delivered import Delivered
from mainstem.kafka.records import ID, LSN, ORDINAL
from mainstem.projection.setaside.letter import ERROR_CHARACTERS_MAX, Letter, trouble_of

NAMES = st.text(st.characters(codec="utf-8"), max_size=10)
PLACE = {ID: b"7", LSN: b"0/2A1DC28", ORDINAL: b"3"}


@given(st.dictionaries(NAMES, st.binary(max_size=20), max_size=5), st.none() | st.binary())
def test_a_letter_gives_its_message_back(entries: dict[str, bytes], key: bytes | None) -> None:
    """Any metadata, any key, none: what a handler is given later is what arrived."""
    headers = {**entries, **PLACE}
    delivered = Delivered("orders", 1, 42, key, b"\x00data", 5, list(headers.items()))

    back = Letter.of(delivered).delivered()

    assert back[:6] == delivered[:6]
    assert dict(back.headers or ()) == headers


@given(st.lists(st.tuples(st.sampled_from([ID, LSN, ORDINAL, "x"]), st.none() | st.binary())))
def test_any_headers_become_a_row(headers: list[tuple[str, bytes | None]]) -> None:
    """Whatever stands in ours: the row has it as a number of 64 bits, or not at all."""
    letter = Letter.of(Delivered("orders", 1, 42, None, None, -1, headers))

    assert letter.event_id is None or 0 <= letter.event_id < 2**63
    assert letter.ordinal is None or 0 <= letter.ordinal < 2**63


def test_numbers_without_end_are_no_ids() -> None:
    """Python refuses to read thousands of digits: a header of that kind is no id."""
    letter = Letter.of(Delivered("orders", 1, 42, None, None, -1, [(ID, b"9" * 5_000)]))

    assert letter.event_id is None


def test_more_metadata_than_an_event_may_have_is_kept_but_not_applied() -> None:
    """Nothing is left out of the row; to try it again is an error of ours."""
    headers: list[tuple[str, bytes | None]] = [(f"h{number}", b"x") for number in range(1_100)]
    letter = Letter.of(Delivered("orders", 1, 42, b"k", b"v", 5, headers))

    assert letter.metadata is not None
    assert letter.metadata.count(b"\x02x") == len(headers)
    with pytest.raises(DecodeError):
        letter.delivered()


class MuteError(Exception):
    """Has no text."""

    def __str__(self) -> str:
        """Fail."""
        raise ValueError


@pytest.mark.parametrize(
    "reason", [ValueError("a\x00\ud800"), ValueError("x" * 9_999), MuteError()]
)
def test_the_text_of_any_error_can_be_kept(reason: Exception) -> None:
    """PostgreSQL takes neither NUL nor lone surrogates, and nobody wants a book."""
    trouble = trouble_of(reason, 1)

    assert "\x00" not in trouble.error
    assert len(trouble.error.encode()) <= ERROR_CHARACTERS_MAX
    assert trouble.error_type.endswith(type(reason).__name__)
