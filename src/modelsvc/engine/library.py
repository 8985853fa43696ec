"""llama.cpp's C functions, and its log. Imported by the modules that bind them, and by nothing else."""

import ctypes
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

ERROR = 4
WARNING = 3
_CONTINUED = 5

LogSink = Callable[[int, str], None]


# Two workers share the cores during every deployment. OpenMP's threads that spin at barriers for milliseconds then take
# a step from milliseconds to half a second; those that sleep at once cost 10 ms of each step when alone. So they spin
# for some 40 us, which is longer than most waits at a barrier, and sleep then (GNU's OpenMP; others sleep at once).
_WAITING = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "1000"}


def _import_functions() -> Any:
    for name, value in _WAITING.items():
        os.environ.setdefault(name, value)
    return _import_alone()


def _import_alone() -> Any:
    """Import `llama_cpp.llama_cpp` alone.

    The package's own `__init__` pulls in numpy and the high-level class: 19 MB in every worker, none of it used.
    """
    if "llama_cpp" in sys.modules:
        return importlib.import_module("llama_cpp.llama_cpp")
    spec = importlib.util.find_spec("llama_cpp")
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError("llama-cpp-python is not installed")
    bare = ModuleType("llama_cpp")
    bare.__path__ = list(spec.submodule_search_locations)
    sys.modules["llama_cpp"] = bare
    try:
        return importlib.import_module("llama_cpp.llama_cpp")
    finally:
        del sys.modules["llama_cpp"]  # a later import of the whole package still works


class _Log:
    """Hands whole lines to the current sink; llama.cpp writes some lines in parts."""

    def __init__(self) -> None:
        self.sink: LogSink = lambda level, line: None
        self._level = 0
        self._partial = ""

    def write(self, level: int, text: bytes, _: object) -> None:
        self._level = self._level if level == _CONTINUED else level
        *lines, self._partial = (self._partial + text.decode("utf-8", "replace")).split("\n")
        for line in filter(None, map(str.strip, lines)):
            self.sink(self._level, line)


lib = _import_functions()
_log = _Log()
_log_callback = lib.llama_log_callback(_log.write)  # llama.cpp keeps the pointer, so this reference must live on
lib.llama_log_set(_log_callback, ctypes.c_void_p(0))
lib.llama_backend_init()


@contextmanager
def log_to(sink: LogSink) -> Iterator[None]:
    """Send llama.cpp's log lines to `sink` meanwhile."""
    before, _log.sink = _log.sink, sink
    try:
        yield
    finally:
        _log.sink = before


@contextmanager
def captured_log() -> Iterator[list[tuple[int, str]]]:
    lines: list[tuple[int, str]] = []
    with log_to(lambda level, line: lines.append((level, line))):
        yield lines
