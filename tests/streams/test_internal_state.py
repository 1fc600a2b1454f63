"""The engine's stores over our bytes: a real RocksDB, in the clear and encrypted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV
from hypothesis import given
from hypothesis import strategies as st
from quixstreams.state.rocksdb import RocksDBOptions, RocksDBStorePartition
from quixstreams.state.rocksdb.windowed.partition import WindowedRocksDBStorePartition

from mainstem.errors import ConfigurationError, DecodeError
from mainstem.event import StoredEvent
from mainstem.streams.internal import InternalCodec
from tests.streams.kept import codec
from tests.streams.shop import OrderPlaced

NONCE_BYTES: Final = 12
SECRET = "nobody-should-read-this"
MOMENT = datetime(2026, 11, 26, 12, tzinfo=UTC)


class Siv:
    """AES-SIV, as the documentation shows it."""

    def __init__(self, key: bytes) -> None:
        """Encrypt by this key."""
        self._aes = AESSIV(key)

    def encrypt(self, data: bytes) -> bytes:
        """Equal data give equal bytes."""
        return self._aes.encrypt(data, None)

    def decrypt(self, data: bytes) -> bytes:
        """The data again."""
        return self._aes.decrypt(data, None)


class Gcm(Siv):
    """AES-GCM with a nonce drawn each time, which no key may go through."""

    def __init__(self) -> None:
        """Encrypt by a key of its own."""
        self._gcm = AESGCM(AESGCM.generate_key(256))

    def encrypt(self, data: bytes) -> bytes:
        """Other bytes each time."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._gcm.encrypt(nonce, data, None)

    def decrypt(self, data: bytes) -> bytes:
        """The data again."""
        return self._gcm.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], None)


class Lossy(Siv):
    """A cipher that gives something else back."""

    def decrypt(self, data: bytes) -> bytes:
        """Less than was encrypted."""
        return super().decrypt(data)[1:]


KEY = AESSIV.generate_key(256)


def state_of(transaction: Any, key: str) -> Any:
    """The state of a key; the engine's types say that all keys are bytes."""
    return transaction.as_state(key)


@pytest.fixture(params=["clear", "encrypted"])
def ours(request: pytest.FixtureRequest) -> InternalCodec:
    """Both kinds of codec."""
    return codec(Siv(KEY) if request.param == "encrypted" else None)


@pytest.fixture
def store(tmp_path: Path, ours: InternalCodec) -> Iterator[RocksDBStorePartition]:
    """A partition of the engine's state."""
    options = RocksDBOptions(dumps=ours.dumps, loads=ours.loads)
    partition = RocksDBStorePartition(str(tmp_path / "state"), options)
    yield partition
    partition.close()


@pytest.fixture
def windows(tmp_path: Path, ours: InternalCodec) -> Iterator[WindowedRocksDBStorePartition]:
    """A partition of the engine's windows."""
    options = RocksDBOptions(dumps=ours.dumps, loads=ours.loads)
    partition = WindowedRocksDBStorePartition(str(tmp_path / "windows"), options)
    yield partition
    partition.close()


@given(st.text(min_size=4) | st.binary(min_size=4))
def test_an_encrypted_value_comes_back_and_is_not_in_its_bytes(value: Any) -> None:
    """Property: with the key one reads it, and without it nobody."""
    data = codec(Siv(KEY)).dumps(value)

    assert codec(Siv(KEY)).loads(data) == value
    assert (value if isinstance(value, bytes) else value.encode()) not in data


def test_another_key_reads_nothing() -> None:
    """Read encrypted bytes with another key, and with none."""
    data = codec(Siv(KEY)).dumps(SECRET)

    with pytest.raises(DecodeError, match="bytes of state"):
        codec(Siv(AESSIV.generate_key(256))).loads(data)
    with pytest.raises(DecodeError):
        codec().loads(data)


def test_a_cipher_with_random_nonces_is_refused() -> None:
    """Its keys of state would never be found again."""
    with pytest.raises(ConfigurationError, match="other bytes for equal data") as refused:
        codec(Gcm())

    assert "AESSIV" in refused.value.hint


def test_a_cipher_that_gives_something_else_back_is_refused() -> None:
    """It would be noticed when the first value is read, which is too late."""
    with pytest.raises(ConfigurationError, match="does not give back"):
        codec(Lossy(KEY))


def test_state_is_found_again(store: RocksDBStorePartition) -> None:
    """Set values of several kinds in a transaction, and get them in another one."""
    event = StoredEvent("k", OrderPlaced("PL", 5), MOMENT, topic="orders", id=1)
    kept = {"count": 1, "last": event, "seen": {1, 2}, "pair": (1, [2])}
    begun = store.begin()
    for name, value in kept.items():
        state_of(begun, "customer").set(name, value)
    begun.prepare()
    begun.flush()

    state = state_of(store.begin(), "customer")

    assert {name: state.get(name) for name in kept} == kept
    assert not state.exists("nothing")


def test_keys_with_a_bar_do_not_meet(store: RocksDBStorePartition) -> None:
    """Set pairs of prefix and key that would be the same text when joined by a bar."""
    pairs = [("a", "b|c"), ("a|b", "c"), ("a", "b"), ("a|", "b"), ("", "a|b")]
    begun = store.begin()
    for number, (prefix, key) in enumerate(pairs):
        state_of(begun, prefix).set(key, number)
    begun.prepare()
    begun.flush()

    after = store.begin()

    assert [state_of(after, prefix).get(key) for prefix, key in pairs] == [*range(len(pairs))]


def test_windows_of_keys_with_a_bar_do_not_meet(windows: WindowedRocksDBStorePartition) -> None:
    """Keep windows of `a` and of `a|b`; each key sees, and expires, its own."""
    begun = windows.begin()
    for key in ("a", "a|b", "a|"):
        state_of(begun, key).update_window(0, 10, [3, key], timestamp_ms=3)
        state_of(begun, key).add_to_collection(id=3, value=key)
    begun.prepare()
    begun.flush()

    after = windows.begin()
    prefix = state_of(after, "a")
    seen = [(window, value) for window, value, _ in prefix.get_windows(-1, 100)]
    gone = [(window, value) for window, value, *_ in prefix.expire_windows(100)]

    assert seen == gone == [((0, 10), [3, "a"])]
    assert prefix.get_from_collection(0, 10) == ["a"]
    assert state_of(after, "a|b").get_window(0, 10) == [3, "a|b"]


def test_the_key_behind_a_window_is_told(windows: WindowedRocksDBStorePartition) -> None:
    """Windows that end by the clock of the partition give the keys that they belong to."""
    begun = windows.begin()
    keys = {"a", "a|b", "|", b"\xff|".decode("utf-8", "surrogateescape")}
    for key in keys:
        state_of(begun, key).update_window(0, 10, 1, timestamp_ms=3)
    begun.prepare()
    begun.flush()

    after = windows.begin()
    prefixes = [prefix for *_, prefix in after.expire_all_windows(20, 10)]

    assert {after.key_from_prefix(prefix, "text") for prefix in prefixes} == keys


def test_only_a_store_in_the_clear_can_be_read_in_its_files(
    store: RocksDBStorePartition, tmp_path: Path, ours: InternalCodec
) -> None:
    """Set a secret under a secret key, and look through all files of the store."""
    begun = store.begin()
    state_of(begun, SECRET).set(SECRET, {SECRET: [SECRET]})
    begun.prepare()
    begun.flush()

    readable = any(
        SECRET.encode() in path.read_bytes()
        for path in (tmp_path / "state").rglob("*")
        if path.is_file()
    )

    assert readable == (SECRET.encode() in ours.dumps(SECRET))
