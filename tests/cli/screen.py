"""A terminal of a given size: a command runs on it, and what it then shows can be read frame by frame."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from itertools import takewhile

COMMAND = [sys.executable, "-m", "modelsvc"]
TOKENS = re.compile(r"\x1b\[([0-9;?]*)([a-zA-Z])|([\r\n])|(.)", re.DOTALL)


class Screen:
    """As much of a terminal as rich needs: text that wraps and scrolls, CR, LF, cursor up, and erase line."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self.frames: list[list[str]] = []
        self._lines = [""]
        self._row = self._column = 0

    @property
    def shown(self) -> list[str]:
        return [line.rstrip() for line in self._lines[-self.rows :]]

    def feed(self, text: str) -> None:
        for value, command, control, char in TOKENS.findall(text):
            if command:
                self._command(command, int(value) if value.isdigit() else 1)
            elif control == "\r":
                self._column = 0
            elif control == "\n":
                self._down()
            else:
                self._put(char)

    def _command(self, command: str, value: int) -> None:
        top = max(0, len(self._lines) - self.rows)
        if command == "A":
            self._row = max(top, self._row - value)
        elif command == "K":
            if self._row == len(self._lines) - 1:  # a redraw begins where the frame before it ended
                self.frames.append(self.shown)
            self._lines[self._row] = ""

    def _put(self, char: str) -> None:
        if self._column == self.columns:
            self._down()
            self._column = 0
        line = self._lines[self._row].ljust(self._column)
        self._lines[self._row] = line[: self._column] + char + line[self._column + 1 :]
        self._column += 1

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self._lines):
            self._lines.append("")


def frames(columns: int, rows: int, *args: str) -> list[list[str]]:
    """Every frame that `modelsvc ARGS` draws on a terminal of this size; the last one is what it leaves there."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    unsized = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    env = {**unsized, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}
    process = subprocess.Popen([*COMMAND, *args], stdin=follower, stdout=follower, stderr=follower, env=env)
    os.close(follower)
    screen = Screen(columns, rows)
    screen.feed(read_all(leader).decode())
    os.close(leader)
    process.wait(60)
    return [*screen.frames, screen.shown]


def read_all(descriptor: int) -> bytes:
    """Linux ends a terminal's stream with EIO, macOS with nothing."""
    return b"".join(takewhile(bool, iter(lambda: _read(descriptor), None)))


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""
