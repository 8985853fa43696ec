"""The mixed run notices what is not documented: without that, its finding nothing would mean nothing."""

from collections import Counter
from collections.abc import Callable
from random import Random

import httpx
import pytest
from loadtest.interfaces import Chat, Interface, OpenAI
from loadtest.lookout import trend
from loadtest.visitors import Party

Handler = Callable[[httpx.Request], httpx.Response]
INTERFACES = (Chat(), OpenAI("model"))
FULL = {"error": {"type": "overloaded", "message": "the queue is full", "code": "queue_full"}}
REFUSED = {"error": {"type": "invalid_request", "message": "it needs 9 tokens of 8", "code": "prompt_too_long"}}
STREAMS = {"/chat": 'event: done\ndata: {"response":""}\n\n', "/v1/chat/completions": "data: [DONE]\n\n"}


async def visit(kind: str, interface: Interface, handler: Handler) -> Party:
    async with httpx.AsyncClient(base_url="http://test", transport=httpx.MockTransport(handler)) as http:
        party = Party(http, (interface,), context_tokens=100, tokens=4, random=Random(0))
        await party.visit(kind)
    return party


@pytest.mark.parametrize("interface", INTERFACES)
async def test_a_whole_stream_is_answered(interface: Interface) -> None:
    party = await visit("stream", interface, lambda request: httpx.Response(200, text=STREAMS[request.url.path]))
    assert party.outcomes == Counter({"stream: answered": 1})


@pytest.mark.parametrize("interface", INTERFACES)
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('data: {"text":"a"}\n\n', "was cut after 1 pieces"),
        ('event: error\ndata: {"error":{}}\n\n', "was cut|broke off"),
        ('data: {"error":{"message":"failed"}}\n\n', "was cut|broke off"),
    ],
)
async def test_a_stream_that_is_not_whole_is_undocumented(interface: Interface, text: str, told: str) -> None:
    party = await visit("stream", interface, lambda _: httpx.Response(200, text=text))
    assert party.outcomes == Counter({"stream: undocumented": 1})
    assert any(word in party.undocumented[0] for word in told.split("|"))


@pytest.mark.parametrize("kind", ["plain", "stream", "leave answering", "too long"])
@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(503, json=FULL, headers={"Retry-After": "1"}),
        httpx.Response(429, json=FULL),
        httpx.Response(429, json=FULL, headers={"Retry-After": "soon"}),
        httpx.Response(500, text="no JSON"),
        httpx.Response(400, json={"error": "no code"}),
    ],
    ids=lambda answer: f"{answer.status_code} {answer.headers.get('Retry-After', '')}",
)
async def test_any_other_answer_is_undocumented(kind: str, answer: httpx.Response) -> None:
    def same(_: httpx.Request) -> httpx.Response:
        return httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)

    party = await visit(kind, Chat(), same)
    assert party.outcomes == Counter({f"{kind}: undocumented": 1})
    assert len(party.undocumented) == 1


async def test_a_lost_connection_is_undocumented() -> None:
    def lost(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("reset", request=request)

    assert (await visit("plain", Chat(), lost)).outcomes == Counter({"plain: undocumented": 1})


async def test_a_refusal_of_a_long_prompt_needs_counts() -> None:
    party = await visit("too long", Chat(), lambda _: httpx.Response(400, json=REFUSED))
    assert party.outcomes == Counter({"too long: refused with counts": 1})
    party = await visit("too long", Chat(), lambda _: httpx.Response(400, json=FULL))
    assert party.outcomes == Counter({"too long: undocumented": 1})


async def test_who_is_turned_away_comes_again_when_told() -> None:
    """After the seconds that `Retry-After` says."""
    answers = [
        httpx.Response(429, json=FULL, headers={"Retry-After": "1"}),
        httpx.Response(200, text=STREAMS["/chat"]),
    ]
    party = await visit("stream", Chat(), lambda _: answers.pop(0))
    assert party.outcomes == Counter({"turned away by /chat": 1, "stream: answered": 1})


def test_a_trend_tells_what_grows() -> None:
    found = trend(range(9), [1, 1, 1, 2, 2, 2, 3, 3, 3])
    assert (found.begin, found.middle, found.end) == (1, 2, 3)
    assert found.per_minute == pytest.approx(60 * 0.3)
    assert trend(range(9), [5] * 9).per_minute == 0
