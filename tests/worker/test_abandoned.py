"""Clients that leave, in great number: while they wait, while their prompt is read, while they are answered."""

from collections.abc import AsyncIterator
from random import Random

import httpx
import pytest
from disposable.waiting import until
from loadtest.interfaces import interfaces
from loadtest.lookout import becomes_free
from loadtest.mixed_run import EXPECTED, abandon
from loadtest.visitors import Party
from tests.worker.harness import BABBLE, DEADLINE_S, Worker, post_and_keep

# Left to itself, each answer would go on for 3000 tokens.
TOKENS = 300
CONTEXT_TOKENS = 8192


@pytest.fixture
async def http(babbler: Worker) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=babbler.url, timeout=DEADLINE_S) as client:
        yield client


async def test_200_abandoned_streams_leave_every_slot_and_place_free(babbler: Worker, http: httpx.AsyncClient) -> None:
    """Eight at a time on two slots, so that most are left in the queue; who comes next is answered at once."""
    party = Party(http, await interfaces(http), CONTEXT_TOKENS, TOKENS, Random(1))
    await abandon(party, 200, clients=8)
    assert party.undocumented == []
    assert sum(count for outcome, count in party.outcomes.items() if "left" in outcome) == 200
    assert all(party.outcomes[outcome] for outcome in EXPECTED if "left" in outcome)
    assert (found := await becomes_free(http, DEADLINE_S)).free, found
    assert babbler.chat("Hello", max_tokens=3).json()["usage"]["completion_tokens"] == 3


async def test_a_stream_that_is_not_abandoned_is_seen(babbler: Worker, http: httpx.AsyncClient) -> None:
    """The test above can fail."""
    with post_and_keep(babbler.port, BABBLE | {"stream": True}):
        until(lambda: babbler.deep()["engine"]["in_flight"], "the stream is answered")
        assert not (await becomes_free(http, within_s=0.0)).free
    assert (await becomes_free(http, DEADLINE_S)).free
