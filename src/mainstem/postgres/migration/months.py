"""Month: a calendar month in UTC, the unit of a partitioned topic; pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final, NamedTuple, Self

from mainstem.errors import ConfigurationError

MONTHS: Final = 12
AHEAD_DEFAULT: Final = 3
AHEAD_MAX: Final = 120
SPAN_MAX: Final = 600

TEXT: Final = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)


class Month(NamedTuple):
    """A calendar month; months sort by time."""

    year: int
    number: int

    @classmethod
    def parsed(cls, text: str) -> Self:
        """The month of `2026-01`; ConfigurationError for anything else."""
        found = TEXT.fullmatch(text)
        if found is None or int(found[1]) == 0:
            raise ConfigurationError(f"{text!r} is no month", hint="write it as 2026-01")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of(cls, moment: datetime) -> Self:
        """The month that an aware moment lies in."""
        moment = moment.astimezone(UTC)
        return cls(moment.year, moment.month)

    def later(self, count: int) -> Month:
        """The month so many months later."""
        years, months = divmod(self.number - 1 + count, MONTHS)
        return Month(self.year + years, months + 1)

    @property
    def text(self) -> str:
        """`2026-01`."""
        return f"{self.year:04}-{self.number:02}"

    @property
    def start(self) -> str:
        """Its first moment, as PostgreSQL reads it whatever its time zone."""
        return f"{self.text}-01 00:00:00+00"

    @property
    def end(self) -> str:
        """The first moment after it."""
        return self.later(1).start


def span(first: Month, last: Month) -> list[Month]:
    """Every month from the first to the last, both included."""
    months = []
    while first <= last:
        months.append(first)
        first = first.later(1)
    return months


def planned(now: Month, ahead: int, since: Month | None = None) -> list[Month]:
    """The months from `since` on to this one and those to come.

    By default from the month before, for events that are saved late.
    ConfigurationError where that is more than anybody wants.
    """
    if not 0 <= ahead <= AHEAD_MAX:
        raise ConfigurationError(f"{ahead} months ahead is outside of 0 to {AHEAD_MAX}")
    first, last = since or now.later(-1), now.later(ahead)
    if first > last:
        raise ConfigurationError(
            f"{first.text} is after {last.text}, the last month that {ahead} ahead reach",
            hint="give an earlier month for --since, or a larger number for --ahead",
        )
    months = span(first, last)
    if len(months) > SPAN_MAX:
        raise ConfigurationError(f"{len(months)} partitions at once are too many")
    return months
