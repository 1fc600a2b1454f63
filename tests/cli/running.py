"""Commands as processes, watched over HTTP and on stderr."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any

from tests.projection.rebuilding.shop import DEADLINE_S, Shop

URL = re.compile(r"http://127\.0\.0\.1:(\d+)/metrics")


class Service:
    """One process of `mainstem`, and what it has told so far."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str]) -> None:
        """Start it, and keep what it tells."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mainstem", *arguments],
            env={**os.environ, **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.told: list[str] = []
        self._news = threading.Condition()
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with self._news:
                self.told.append(line)
                self._news.notify_all()

    def heard(self, text: str) -> str:
        """The first line with this text, once it is there."""

        def found() -> str | None:
            return next((line for line in self.told if text in line), None)

        with self._news:
            line = self._news.wait_for(found, DEADLINE_S)
        assert line is not None, f"it did not say {text!r}: {self.told}"
        return line

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of one of its pages."""
        match = URL.search(self.heard("/metrics"))
        assert match is not None
        connection = HTTPConnection("127.0.0.1", int(match[1]), timeout=DEADLINE_S)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def ready(self) -> Any:
        """What it says about its readiness."""
        return json.loads(self.get("/health/ready")[1])

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Ask it to stop: its exit code, and how long it took."""
        began_s = time.monotonic()
        self._process.send_signal(number)
        return self._process.wait(DEADLINE_S), time.monotonic() - began_s

    def end(self) -> int:
        """Wait for its end; its exit code."""
        code = self._process.wait(DEADLINE_S)
        self._listener.join()
        return code

    def close(self) -> None:
        """Let nothing of it outlive the test."""
        self._process.kill()
        self.end()
        assert self._process.stderr is not None
        self._process.stderr.close()


@contextmanager
def service(shop: Shop, *arguments: str) -> Iterator[Service]:
    """A command at the servers of this shop, which ends with the block."""
    running = Service(
        list(arguments),
        {
            "SHOP_TOPIC": shop.topic,
            "MAINSTEM_DATABASE_URL": shop.database_url,
            "MAINSTEM_KAFKA_BOOTSTRAP": shop.kafka.bootstrap,
        },
    )
    try:
        yield running
    finally:
        running.close()


def until(condition: Callable[[], Any]) -> Any:
    """What the condition says, once it is true."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not (found := condition()):
        assert time.monotonic() < deadline_s, "it did not come true in time"
        threading.Event().wait(0.02)
    return found
