"""A request's body, decoded. Pure; every complaint names the field, what is there, and what is allowed."""

import re
from collections.abc import Mapping
from typing import Generic, TypeVar

import msgspec

from modelsvc.worker.complaints import in_words, missing
from modelsvc.worker.errors import HttpError, shown

T = TypeVar("T")
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_INDEX = re.compile(r"\[[^\]]*\]")


class Body(Generic[T]):
    """`hints`: what to do about a field, by its path with empty brackets for indices; else `allowed` is told."""

    def __init__(self, kind: type[T], allowed: str, hints: Mapping[str, str] | None = None) -> None:
        self._decoder = msgspec.json.Decoder(kind)
        self._allowed = allowed
        self._hints = hints or {}

    def decode(self, body: bytes) -> T:
        """Raises HttpError (400), with the field's path as `param`."""
        try:
            return self._decoder.decode(body)
        except msgspec.ValidationError as error:
            raise self._invalid(str(error), body) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            told = f"the body is not JSON: {error}; send an object; {self._allowed}"
            raise HttpError(400, "invalid_json", told) from error

    def _invalid(self, complaint: str, body: bytes) -> HttpError:
        text, _, where = complaint.partition(" - at ")
        path = where.replace("`key` in ", "").strip("`").removeprefix("$").removeprefix(".")
        told = in_words(text, _found(path, body) if path else "")
        words = f"{path}: {told}" if path else told.replace("must be", "the body must be", 1)
        if field := missing(text):
            path = f"{path}.{field}".removeprefix(".")
        hint = self._hints.get(_INDEX.sub("[]", path), self._allowed)
        return HttpError(400, "invalid_field", f"{words}; {hint}", param=path or None)


def _found(path: str, body: bytes) -> str:
    """What is at the path, or where a mapping's key begins that the path does not tell; empty when nobody can tell."""
    try:
        value = msgspec.json.decode(body)
        for name, index in _STEP.findall(path.partition("[...]")[0]):
            value = value[name] if name else value[int(index)]
        return shown(value)
    except (
        msgspec.DecodeError,
        UnicodeDecodeError,
        RecursionError,
    ):  # further on it is no JSON, out of range or too deep
        return ""
