"""A GGUF file's header, read by the loader's own parser; weights are not touched.

The parser asserts on surprises, so a hostile file may end the process: use it in one that may die.
"""

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from modelsvc.engine.errors import EngineError
from modelsvc.engine.library import captured_log, lib


class _InitParams(ctypes.Structure):
    _fields_ = (("no_alloc", ctypes.c_bool), ("ctx", ctypes.c_void_p))


def _function(name: str, result: Any, *arguments: Any) -> Any:
    function = getattr(lib._lib, name)
    function.restype, function.argtypes = result, list(arguments)
    return function


_handle, _index = ctypes.c_void_p, ctypes.c_int64
_init = _function("gguf_init_from_file", _handle, ctypes.c_char_p, _InitParams)
_free = _function("gguf_free", None, _handle)
_data_offset = _function("gguf_get_data_offset", ctypes.c_size_t, _handle)
_tensor_count = _function("gguf_get_n_tensors", _index, _handle)
_tensor_offset = _function("gguf_get_tensor_offset", ctypes.c_size_t, _handle, _index)
_tensor_size = _function("gguf_get_tensor_size", ctypes.c_size_t, _handle, _index)


_find = _function("gguf_find_key", _index, _handle, ctypes.c_char_p)
_kind = _function("gguf_get_kv_type", ctypes.c_int, _handle, _index)
_u16 = _function("gguf_get_val_u16", ctypes.c_uint16, _handle, _index)
_U16 = 2


class HeaderUnreadable(EngineError):
    def __init__(self, complaints: Sequence[str]) -> None:
        super().__init__("; ".join(complaints) or "the parser gave no reason")
        cut_short = len(complaints) == 1 and "failed to read" in complaints[0]  # anything else is named before it
        self.truncated = cut_short or any("remaining file size" in complaint for complaint in complaints)


class Header:
    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._tensors = range(_tensor_count(handle))

    @property
    def promised_bytes(self) -> int:
        """How long the file must be to hold every tensor."""
        ends = (_tensor_offset(self._handle, i) + _tensor_size(self._handle, i) for i in self._tensors)
        return int(_data_offset(self._handle) + max(ends, default=0))

    @property
    def parts(self) -> int:
        """Of how many files this is one."""
        key = _find(self._handle, b"split.count")
        return int(_u16(self._handle, key)) if key >= 0 and _kind(self._handle, key) == _U16 else 1


@contextmanager
def open_header(path: str) -> Iterator[Header]:
    """Raises HeaderUnreadable."""
    with captured_log() as log:
        handle = _init(path.encode(), _InitParams(no_alloc=True, ctx=None))
    if not handle:
        raise HeaderUnreadable([line.partition(": ")[2] for _, line in log])
    try:
        yield Header(handle)
    finally:
        _free(handle)
