"""Writers of the storm: random transactions, and a ledger of what each was told about them.

Every row's data is a token `writer:number:key:version`. A key's version is counted in a row that
the transaction locks, so versions of a key are its commit order.
"""

from __future__ import annotations

import random
import threading
import uuid
from dataclasses import dataclass, field
from typing import Any

import psycopg

KEYS = 40
ROWS_MAX = 300


@dataclass
class Ledger:
    """Tokens by what became of their transaction."""

    committed: list[str] = field(default_factory=list)
    rolled_back: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    """Of transactions whose commit was never answered."""


class Writer(threading.Thread):
    """One connection that writes until it is told to stop."""

    def __init__(self, number: int, database_url: str, topic: str, seed: int) -> None:
        """Prepare; `start` begins."""
        super().__init__(name=f"writer-{number}", daemon=True)
        self.ledger = Ledger()
        self._number = number
        self._database_url = database_url
        self._topic = topic
        self._random = random.Random(f"{seed}-{number}")
        self._stop_asked = threading.Event()
        self._count = 0

    def finish(self) -> Ledger:
        """Let it end its transaction, and take its ledger."""
        self._stop_asked.set()
        self.join()
        return self.ledger

    def run(self) -> None:
        """Write, and connect again where the server went away."""
        while not self._stop_asked.is_set():
            try:
                with psycopg.connect(self._database_url, autocommit=False) as connection:
                    while not self._stop_asked.is_set():
                        self._transaction(connection)
            except psycopg.OperationalError:
                self._stop_asked.wait(0.1)

    def _transaction(self, connection: psycopg.Connection[Any]) -> None:
        """One transaction: some rows, perhaps a savepoint, perhaps slow, committed or not."""
        tokens: list[str] = []
        try:
            self._fill(connection, tokens)
            if self._random.random() < 0.15:
                connection.rollback()
                self.ledger.rolled_back += tokens
                return
            try:
                connection.commit()
            except psycopg.OperationalError:
                self.ledger.unknown += tokens
                raise
            self.ledger.committed += tokens
        except psycopg.errors.DeadlockDetected:
            connection.rollback()
            self.ledger.rolled_back += tokens

    def _fill(self, connection: psycopg.Connection[Any], tokens: list[str]) -> None:
        """Insert the transaction's rows."""
        dice = self._random
        size = dice.choice([0, 1, 1, 2, 3, 5, 20, dice.randrange(ROWS_MAX + 1)])
        # In the order of keys, so that writers that need the same ones wait instead of deadlocking.
        keys = sorted(dice.randrange(KEYS) for _ in range(size))
        tokens.extend(self._insert(connection, key) for key in keys)
        if dice.random() < 0.2:
            self._savepoint(connection, tokens)
        if dice.random() < 0.05:
            self._stop_asked.wait(dice.uniform(0.2, 1.5))

    def _savepoint(self, connection: psycopg.Connection[Any], tokens: list[str]) -> None:
        """A row inside a savepoint, half of them rolled back to it."""
        connection.execute("SAVEPOINT s")
        token = self._insert(connection, KEYS - 1)
        if self._random.random() < 0.5:
            connection.execute("ROLLBACK TO SAVEPOINT s")
            self.ledger.rolled_back.append(token)
        else:
            tokens.append(token)

    def _insert(self, connection: psycopg.Connection[Any], key: int) -> str:
        """Insert one row with the next version of its key."""
        self._count += 1
        row = connection.execute(
            "UPDATE versions SET version = version + 1 WHERE key = %s RETURNING version", (key,)
        ).fetchone()
        assert row is not None
        token = f"{self._number}:{self._count}:{key}:{row[0]}"
        connection.execute(
            f'INSERT INTO events."{self._topic}" (key, data, timestamp) VALUES (%s, %s, now())',
            (uuid.UUID(int=key), token.encode()),
        )
        return token
