"""Writers: threads that append with expected versions, and note what they were told."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from mainstem.testing.torture.stores import Conflict, Hesitating, TorturedStore
from mainstem.testing.torture.verdict import Ledger

HESITATIONS: Final = 0.02
"""Share of the saves that happen in a slow transaction."""
COMMITTED: Final = 0.5
"""Share of the slow transactions that are committed; the others are rolled back."""
HESITATION_MAX_S: Final = 0.3
STALE: Final = 0.05
"""Share of the saves that expect a version which is no more."""
RETRY_S: Final = 0.05


class Writer(threading.Thread):
    """Writes to random keys until it is told to stop."""

    def __init__(self, number: int, store: TorturedStore, keys: Sequence[UUID], seed: int) -> None:
        """Prepare; `start` begins."""
        super().__init__(name=f"writer-{number}", daemon=True)
        self.ledger = Ledger()
        self._number = number
        self._store = store
        self._keys = keys
        self._random = random.Random(f"{seed}-{number}")  # noqa: S311 - a load, not a secret
        self._versions: dict[UUID, int] = {}
        self._count = 0
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Let it finish what it is at."""
        self._stopping.set()

    def run(self) -> None:
        """Write."""
        while not self._stopping.is_set():
            key = self._random.choice(self._keys)
            try:
                if key not in self._versions:
                    self._versions[key] = len(self._store.read(key))
            except Exception:  # noqa: BLE001 - nothing was written, so nothing is to be noted
                self._stopping.wait(RETRY_S)
                continue
            self._strike(key)

    def _strike(self, key: UUID) -> None:
        """One save, and the note about it."""
        self._count += 1
        token = f"{self._number}:{self._count}"
        version, commits = self._versions[key], True
        if self._random.random() < STALE:
            version = max(0, version - 1)
        try:
            if self._random.random() < HESITATIONS and isinstance(self._store, Hesitating):
                commits = self._random.random() < COMMITTED
                pause_s = self._random.uniform(0, HESITATION_MAX_S)
                told = self._store.hesitate(key, version, token, pause_s, commits=commits)
            else:
                told = self._store.append(key, version, token)
        except Conflict:
            self.ledger.conflicts.append(token)
            del self._versions[key]
        except Exception:  # noqa: BLE001 - a store may raise what it likes: nobody knows then
            self.ledger.unknown.append(token)
            del self._versions[key]
            self._stopping.wait(RETRY_S)
        else:
            if not commits:
                self.ledger.rolled_back.append(token)
                return
            self.ledger.saved[token] = (key, told)
            self.ledger.wrong_versions += told != version + 1
            self._versions[key] = told
