"""What a right answer is, to each of the requests that load tests send. Pure: head and body in, verdict out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

COLORS = ("blue", "green")
COLOR_HEADER, RELEASE_HEADER = "x-modelsvc-color", "x-modelsvc-release"
Said = tuple[str, str]  # role and content


class Failed(Exception):
    """An answer that came, but is not what was asked for."""


@dataclass(frozen=True, slots=True)
class Reply:
    """`headers` by their names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; `tokens` of it, None where it does not tell."""

    color: str
    text: str
    tokens: int | None = None


def plain(reply: Reply) -> Answer:
    """The answer to a plain request. Raises Failed when it is not a right one."""
    return _answer(reply, _object(_good(reply).body))


def stream(reply: Reply) -> Answer:
    """The answer to a streamed request: `token` events, whose texts make up that of the `done` event at the end."""
    if not _good(reply).headers.get("content-type", "").startswith("text/event-stream"):
        raise Failed(f"no stream, but {reply.headers.get('content-type')}: {reply.body[:200]!r}")
    try:
        events = [_event(block) for block in reply.body.decode().replace("\r\n", "\n").split("\n\n") if block]
        *tokens, (last, done) = events
    except (ValueError, KeyError) as error:
        raise Failed(f"no events in {reply.body[-200:]!r}") from error
    if last != "done" or any(name != "token" for name, _ in tokens):
        raise Failed(f"the stream ended with {last}: {json.dumps(done)[:200]}")
    answer = _answer(reply, done)
    if "".join(token["text"] for _, token in tokens) != answer.text:
        raise Failed(f"the tokens are not those of {answer.text!r}")
    return answer


def health(reply: Reply) -> None:
    """Of /healthz or /ready through the edge: 200, from a worker that names itself."""
    _named(_good(reply))


def deep_health(reply: Reply) -> None:
    """Of /health/deep: colour and release of the head are those of the report."""
    color, release = _named(_good(reply))
    report = _object(reply.body)
    told = (report.get("color"), str(report.get("release")))
    if told != (color, release):
        raise Failed(f"the headers tell {(color, release)}, the report {told}")


def history(reply: Reply, expected: Sequence[Said]) -> int:
    """Of GET /chat/USER: what was said, all of it, in its order, once. How many messages that is."""
    _named(_good(reply))
    try:
        told = [(str(one["role"]), str(one["content"])) for one in _object(reply.body)["messages"]]
    except (KeyError, TypeError) as error:
        raise Failed(f"no conversation: {reply.body[:200]!r}") from error
    if told != [*expected]:
        raise Failed(f"{len(expected)} messages were said, {len(told)} are told; {_differ(expected, told)}")
    return len(told)


def forgotten(reply: Reply, expected: int) -> int:
    """Of DELETE /chat/USER: as many messages as there were."""
    _named(_good(reply))
    if (deleted := _object(reply.body).get("deleted")) != expected:
        raise Failed(f"{expected} messages were said, {deleted} were deleted")
    return expected


def _differ(expected: Sequence[Said], told: Sequence[Said]) -> str:
    at = next((at for at, (one, other) in enumerate(zip(expected, told, strict=False)) if one != other), None)
    return "those are the same" if at is None else f"number {at + 1} should be {expected[at]}, and is {told[at]}"


def _good(reply: Reply) -> Reply:
    if reply.status != 200:
        raise Failed(f"HTTP {reply.status}: {reply.body[:200]!r}")
    return reply


def _named(reply: Reply) -> tuple[str, str]:
    """Colour and release by the head."""
    color, release = reply.headers.get(COLOR_HEADER, ""), reply.headers.get(RELEASE_HEADER, "")
    if color not in COLORS or not release:
        raise Failed(f"the headers name no worker: colour {color!r}, release {release!r}")
    return color, release


def _answer(reply: Reply, told: Mapping[str, Any]) -> Answer:
    """What plain answers and `done` events tell; the headers must tell the same."""
    try:
        answer = Answer(str(told["color"]), str(told["response"]), told.get("usage", {}).get("completion_tokens"))
        release, finish = told["release"], told["finish_reason"]
    except KeyError as error:
        raise Failed(f"the answer has no {error}: {json.dumps(told)[:200]}") from error
    if not answer.text or finish not in ("stop", "length"):
        raise Failed(f"the answer is empty or not finished: {json.dumps(told)[:200]}")
    if (named := _named(reply)) != (answer.color, str(release)):
        raise Failed(f"the headers tell {named}, the answer {answer.color} and {release}")
    return answer


def _event(block: str) -> tuple[str, dict[str, Any]]:
    fields = dict(line.split(": ", 1) for line in block.split("\n"))
    return fields["event"], _object(fields["data"].encode())


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError as error:
        raise Failed(f"no JSON: {body[:200]!r}") from error
    if not isinstance(value, dict):
        raise Failed(f"no JSON object: {body[:200]!r}")
    return value
