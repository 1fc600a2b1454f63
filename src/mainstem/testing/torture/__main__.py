"""`python -m mainstem.testing.torture`: a table on stderr, one line of JSON on stdout.

Exit code 0: every promise was kept; 1: one was broken; 2: wrong options; 3: no server.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from contextlib import ExitStack
from dataclasses import asdict

from mainstem.errors import ConfigurationError, MainstemError
from mainstem.testing.torture.run import OURS, Outcome, Settings, torture
from mainstem.testing.torture.server import own_server


def main() -> int:
    """Torture one store."""
    chosen = parser().parse_args()
    # Connections that were killed on purpose are no news.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    try:
        with ExitStack() as opened:
            own = None if chosen.database_url else opened.enter_context(own_server())
            settings = Settings(
                store=chosen.store,
                database_url=own.database_url if own else chosen.database_url,
                seconds=chosen.seconds,
                writers=chosen.writers,
                keys=chosen.keys,
                connections=chosen.connections,
                seed=chosen.seed,
                kill_server=own.kill if own else None,
            )
            outcome = torture(settings)
    except MainstemError as error:
        sys.stderr.write(f"error: {error.message}\nhint: {error.hint}\n")
        return 2 if isinstance(error, ConfigurationError) else 3
    report = figures(outcome)
    for name, figure in report.items():
        sys.stderr.write(f"{name:<28}{figure!s:>10}\n")
    told = {"store": chosen.store, "seconds": chosen.seconds, **report}
    sys.stdout.write(json.dumps(told) + "\n")
    return 0 if outcome.holds else 1


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(
        prog="python -m mainstem.testing.torture",
        description="Write with expected versions from many threads, kill connections, a follower"
        " and PostgreSQL, and compare what is there with what the writers were told."
        " What a store must bring: mainstem/testing/torture/stores.py.",
    )
    options.add_argument("--store", default=OURS, help="module:factory (default: %(default)s)")
    options.add_argument(
        "--database-url",
        help="a database for this alone; without it a PostgreSQL of its own is started,"
        " which is killed as well",
    )
    options.add_argument("--seconds", type=float, default=30)
    options.add_argument("--writers", type=int, default=16)
    options.add_argument("--keys", type=int, default=50)
    options.add_argument(
        "--connections", type=int, default=4, help="stores that the writers share (%(default)s)"
    )
    options.add_argument("--seed", type=int, default=1)
    return options


def figures(outcome: Outcome) -> dict[str, int | str | None]:
    """Everything that is reported, by name."""
    verdict = asdict(outcome.verdict)
    broken = verdict.pop("broken")
    return {
        **verdict,
        **{f"killed_{name}": count for name, count in outcome.strikes.items()},
        **broken,
        "writers_hanging": outcome.hanging,
        "follower_missing": int(not outcome.arrived),
        "verdict": "holds" if outcome.holds else "broken",
    }


if __name__ == "__main__":
    sys.exit(main())
