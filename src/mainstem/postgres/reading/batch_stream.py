"""Batch stream: arrays that are made when asked for, as an Arrow C stream.

nanoarrow makes C streams of arrays that are all there, or of a file in Arrow's IPC format, which
it reads as far as it is asked. So the batches are such a file, written while it is read: one more
copy, and in return no callback of ours is ever called from C.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from nanoarrow.c_array_stream import CArrayStream
from nanoarrow.ipc import InputStream, StreamWriter

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class BatchFile(io.RawIOBase):
    """The batches as a file of Arrow's IPC format, a batch at a time in memory.

    `release` is called behind the last batch, after an error, and when the last who reads it
    drops it: it must bear being called again.
    """

    def __init__(self, schema: Any, batches: Iterator[Any], release: Callable[[], None]) -> None:
        """Only the schema is written yet."""
        super().__init__()
        self._schema, self._batches, self._release = schema, batches, release
        self._written = io.BytesIO()
        self._writer = StreamWriter.from_writable(self._written)
        self._writer.write_stream(CArrayStream.from_c_arrays([], schema))
        self._written.seek(0)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill the buffer; it stays short only at the end. Raises what making a batch raises."""
        view = memoryview(buffer).cast("B")
        filled = 0
        while filled < len(view):
            count = self._written.readinto(view[filled:])
            filled += count
            if not count and not self._write_next():
                break
        return filled

    def _write_next(self) -> bool:
        """Write the next batch in the place of the last one; False if there is none."""
        try:
            batch = next(self._batches, None)
        except KeyboardInterrupt as error:
            self._release()
            # Only an Exception finds its way through nanoarrow.
            raise InterruptedError("the reading was interrupted") from error
        except Exception:
            self._release()
            raise
        if batch is None:
            self._release()
            return False
        self._written.seek(0)
        self._written.truncate()
        self._writer.write_stream(CArrayStream.from_c_arrays([batch], self._schema))
        self._written.seek(0)
        return True

    def close(self) -> None:
        """Release what the batches are made from."""
        self._release()
        super().close()


def capsule(schema: Any, batches: Iterator[Any], release: Callable[[], None]) -> object:
    """A PyCapsule with an ArrowArrayStream over the batches."""
    made: object = InputStream.from_readable(
        BatchFile(schema, batches, release)
    ).__arrow_c_stream__()
    return made
