"""What a chat request may say. Pure; every complaint tells what to change."""

import re
from typing import Annotated

import msgspec

from modelsvc.worker.bodies import Body
from modelsvc.worker.errors import HttpError, shown

MAX_MESSAGE_CHARACTERS = 100_000
DEFAULT_MAX_TOKENS = 512
DEFAULT_TEMPERATURE = 0.7
REQUEST_ID = r"[A-Za-z0-9-]{1,64}"
USER_ID = r"[A-Za-z0-9._@-]{1,64}"
_REQUEST_ID, _USER_ID = re.compile(REQUEST_ID), re.compile(USER_ID)
_ALLOWED = "allowed: message (text), max_tokens (1 or more), temperature (0 to 2), stream (true or false)"


class Ask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`max_tokens` and `temperature`: DEFAULT_MAX_TOKENS and DEFAULT_TEMPERATURE where there are none."""

    message: Annotated[str, msgspec.Meta(max_length=MAX_MESSAGE_CHARACTERS, extra_json_schema={"pattern": r"\S"})]
    max_tokens: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    stream: bool | None = None

    def __post_init__(self) -> None:
        if not self.message.strip():
            raise ValueError("message is empty: write something in it")


parse_ask = Body(Ask, _ALLOWED).decode


def parse_user_id(user_id: str) -> str:
    if not _USER_ID.fullmatch(user_id):
        raise HttpError(
            400, "invalid_user_id", f"the user id must be 1 to 64 of A-Z a-z 0-9 . _ @ -, not {shown(user_id)}"
        )
    return user_id


def scoped(user_id: str, caller: str | None) -> str:
    """The name a conversation is kept under. Neither user ids nor names of keys have the separator in them."""
    return user_id if caller is None else f"{caller}:{user_id}"


def parse_request_id(value: str | None) -> str | None:
    """The edge's own id of the request, the same when it sends the request again."""
    if value is not None and not _REQUEST_ID.fullmatch(value):
        raise HttpError(400, "invalid_request_id", "X-Modelsvc-Request must be 1 to 64 of A-Z a-z 0-9 -, or left out")
    return value
