"""What a server's answer means for a transfer. Pure: a status and headers in, what to do out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from modelsvc.store.entry import Origin
from modelsvc.store.notes import Notes
from supervisor.errors import DownloadError, NotFound, Refused

_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")
LONGEST_DIGITS = 18
TRY_LATER = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Write:
    """The body is the file's bytes from `offset` on."""

    offset: int
    notes: Notes


@dataclass(frozen=True, slots=True)
class Complete:
    """All bytes are there already."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The file is the one that was pulled before."""


@dataclass(frozen=True, slots=True)
class Anew:
    """What is there is no beginning of what the server has now."""


@dataclass(frozen=True, slots=True)
class Later:
    """The server cannot now; it may have said when."""

    reason: str
    asked_s: float | None


Verdict = Write | Complete | Unchanged | Anew | Later


def request_headers(notes: Notes, have_bytes: int, origin: Origin | None) -> dict[str, str]:
    """What to ask with: for the rest of the file, if it is still the same; or for all of it, if it is another one."""
    headers = {"Accept-Encoding": "identity"}  # the bytes themselves: a range of compressed ones is of no use
    if have_bytes:
        headers["Range"] = f"bytes={have_bytes}-"
        if notes.validator:
            headers["If-Range"] = notes.validator
    elif origin and origin.etag:
        headers["If-None-Match"] = origin.etag
    elif origin and origin.last_modified:
        headers["If-Modified-Since"] = origin.last_modified
    return headers


def judge(status: int, headers: Mapping[str, str], notes: Notes, have_bytes: int) -> Verdict:
    """Raises NotFound, Refused or DownloadError where asking again would not help. `headers` ignore case."""
    match status:
        case 200:
            return Write(0, _noted(notes, headers, number(headers.get("content-length"))))
        case 206:
            return _rest(headers, notes, have_bytes)
        case 304:
            return Unchanged()
        case 416:
            return (
                Complete() if _content_range(headers)[1] == have_bytes == (notes.size_bytes or have_bytes) else Anew()
            )
        case _ if status in TRY_LATER:
            return Later(f"the server answered {status}", number(headers.get("retry-after")))
        case 404 | 410:
            raise NotFound(f"{notes.source}: the server has no such file ({status}): check the address", code="no_file")
        case 401 | 403 | 407 | 451:
            raise Refused(
                f"{notes.source}: the server does not give the file to you ({status}): check that you may have it, and"
                " what you are known by (HF_TOKEN for Hugging Face)",
                code="access_denied",
            )
        case _:
            raise DownloadError(f"{notes.source}: the server answered {status}, and no file: check the address")


def _rest(headers: Mapping[str, str], notes: Notes, have_bytes: int) -> Verdict:
    """A server that knows no If-Range sends the rest of another file without a word: its answer tells."""
    start, total = _content_range(headers)
    told = _noted(notes, headers, total if total is not None else notes.size_bytes)
    same = all(not ours or not theirs or ours == theirs for ours, theirs in _identities(notes, told))
    return Write(have_bytes, told) if same and start == have_bytes else Anew()


def _identities(ours: Notes, theirs: Notes) -> tuple[tuple[object, object], ...]:
    return (
        (ours.etag, theirs.etag),
        (ours.last_modified, theirs.last_modified),
        (ours.size_bytes, theirs.size_bytes),
    )


def _noted(notes: Notes, headers: Mapping[str, str], size_bytes: int | None) -> Notes:
    etag, modified = headers.get("etag", ""), headers.get("last-modified", "")
    return msgspec.structs.replace(notes, etag=etag, last_modified=modified, size_bytes=size_bytes)


def _content_range(headers: Mapping[str, str]) -> tuple[int | None, int | None]:
    """(first byte, bytes of the whole); None for what is not told."""
    found = _RANGE.fullmatch(headers.get("content-range", ""))
    return (number(found[1]), number(found[2])) if found else (None, None)


def number(text: str | None) -> int | None:
    """None for what is no number, or an absurd one."""
    usable = text and len(text) <= LONGEST_DIGITS and text.isascii() and text.isdecimal()
    return int(text) if text and usable else None
