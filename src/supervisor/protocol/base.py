"""What every message is, and what errors mean: exit codes, HTTP statuses."""

import json
from enum import IntEnum
from typing import Any, Literal

import msgspec

API_PREFIX = "/v1"
CONFIG_ENV = "MODELSVC_CONFIG"
HOME_ENV = "MODELSVC_HOME"


class ExitCode(IntEnum):
    """What `modelsvc` commands exit with."""

    DONE = 0
    FAILED = 1  # tried, failed, and rolled back
    MISUSE = 2  # wrong arguments, configuration or input
    UNREACHABLE = 3  # no daemon answers
    REFUSED = 4  # understood, but not done; nothing changed
    TIMED_OUT = 5  # gave up waiting


ErrorType = Literal["failed", "invalid_request", "not_found", "refused", "timed_out", "unavailable"]

EXIT_CODES: dict[str, ExitCode] = {
    "failed": ExitCode.FAILED,
    "invalid_request": ExitCode.MISUSE,
    "not_found": ExitCode.MISUSE,
    "refused": ExitCode.REFUSED,
    "timed_out": ExitCode.TIMED_OUT,
    "unavailable": ExitCode.UNREACHABLE,
}

HTTP_STATUS: dict[str, int] = {
    "failed": 500,
    "invalid_request": 400,
    "not_found": 404,
    "refused": 409,
    "timed_out": 504,
    "unavailable": 503,
}


class Struct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every message: immutable, and closed to keys nobody knows."""


class ErrorBody(Struct, frozen=True):
    """The inner object of an error: `type` decides exit code and HTTP status, `code` names the exact case."""

    type: ErrorType
    message: str
    code: str


class ErrorReply(Struct, frozen=True):
    """Any 4xx or 5xx answer, and the last line of a stream that cannot go on."""

    error: ErrorBody


def encode(message: Any) -> bytes:
    """A message as one line of JSON, without the newline."""
    return msgspec.json.encode(message)


def encode_text(message: Any, encoding: str | None) -> str:
    """The same as text for a stream of this encoding; what it has no characters for is written as JSON's escapes."""
    text = encode(message).decode()
    try:
        text.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(json.loads(text), separators=(",", ":"))
    return text
