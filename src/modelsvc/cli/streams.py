"""The command's stdout and stderr, whoever writes to them: our own code, click with its help, rich with its bars.

That stdout cannot be written is told apart from every other error of a file by what is raised. What stderr cannot take
is lost: there is nowhere left to tell it, and the exit code still says how the command ended. A character that the
terminal's encoding does not have is written as its escape, for a model's answer may have any.
"""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class OutputFailed(Exception):
    """stdout cannot be written; not a SupervisorError, so that nobody who goes on after one takes it for an answer."""

    def __init__(self, error: OSError) -> None:
        super().__init__(
            f"stdout cannot be written: {error.strerror or error}; free its disk or send the output elsewhere, and look"
            " before you repeat the command: what it was to change may have been done"
        )
        self.reader_left = error.errno == errno.EPIPE  # as `| head` does


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Writing to stdout raises OutputFailed, to stderr nothing. Where they are no files, they stay as they are."""
    kept = sys.stdout, sys.stderr
    try:
        sys.stdout, sys.stderr = _over(_Stdout, sys.stdout), _over(_Stderr, sys.stderr)
        yield
    finally:
        sys.stdout, sys.stderr = kept


def abandon_stdout() -> None:
    """What its buffer still has must not be an error of its own at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


class _Stdout(io.FileIO):
    def write(self, data: "bytes | bytearray | memoryview") -> int | None:  # type: ignore[override]
        try:
            return super().write(data)
        except OSError as error:
            raise OutputFailed(error) from error


class _Stderr(io.FileIO):
    def write(self, data: "bytes | bytearray | memoryview") -> int | None:  # type: ignore[override]
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def _over(kind: type[io.FileIO], stream: Any) -> Any:
    """The same file through `kind`, however it is written to; None where the descriptor was closed."""
    if stream is None:
        return None
    try:
        stream.flush()
        raw = kind(stream.fileno(), "wb", closefd=False)
    except (OSError, ValueError):  # no file of the system, as in tests
        return stream
    return io.TextIOWrapper(
        io.BufferedWriter(raw), stream.encoding, "backslashreplace", line_buffering=stream.line_buffering
    )
