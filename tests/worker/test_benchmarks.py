"""The benchmarks' client and their order: that the figures count what they say. None is held to a time."""

import asyncio
from dataclasses import replace

import pytest
from benchmarks.closed_loop import Endpoint, Failed, Figures, Run, quantile
from benchmarks.load import Load
from benchmarks.machine import Meter
from benchmarks.servers import Server
from benchmarks.stall import Streams
from benchmarks.turns import Case, Measured, order
from disposable.waiting import until
from tests.worker.harness import BABBLE, Worker, post_and_keep

# A word is two tokens or more in the small vocabulary.
LOAD = Load(clients=3, requests=7, prompt_words=8, tokens=12)


def run(worker: Worker, load: Load) -> Figures:
    return asyncio.run(Run(load).against(worker.url))


def test_tokens_are_counted_by_usage(babbler: Worker) -> None:
    """Every answer has as many as it was to have, however many pieces of text they made."""
    found = run(babbler, LOAD)
    assert (found.requests, found.short, found.failed) == (7, 0, {})
    assert found.tokens == 7 * 12
    assert 0 < found.pieces <= found.tokens
    assert found.prompt_tokens > 7 * 8
    assert 0 < found.together_s <= found.seconds
    assert found.gap_p50_s <= found.gap_p95_s <= found.gap_max_s <= found.seconds


def test_a_token_that_must_not_be_drawn_is_not(shared: Worker) -> None:
    """A model that ends its answers goes on when its end may not be drawn."""
    load = Load(clients=1, requests=1, prompt_words=2, tokens=200)
    assert run(shared, load).short == 1
    end_of_answer = (0, 1, 2)
    assert run(shared, replace(load, never=end_of_answer)).short == 0


def test_failures_are_told_by_kind(babbler: Worker) -> None:
    """They are no answers, and their clients go on."""
    kept = [post_and_keep(babbler.port, BABBLE) for _ in range(10)]
    until(lambda: babbler.deep()["engine"]["waiting"] == 8, "the queue is full")
    found = run(babbler, LOAD)
    assert (found.requests, found.failed) == (0, {"HTTP 429": 7})
    for client in kept:
        client.close()


async def test_a_stream_that_ends_too_early_is_told(babbler: Worker) -> None:
    async with Endpoint(babbler.url) as endpoint, Streams(endpoint, replace(LOAD, clients=1)) as streams:
        with pytest.raises(Failed, match="ended after 12 tokens"):
            await streams.all_said(100)


def test_prompts_share_a_system_prompt_or_not_even_its_first_word() -> None:
    load = Load(prompt_words=8, system_words=20)
    (first, own), (second, others) = (load.body(number)["messages"] for number in range(2))
    assert first == second
    assert own != others
    one, other = (replace(load, apart=True).body(number)["messages"][0]["content"] for number in range(2))
    assert one.split()[0] != other.split()[0]
    assert one.split()[1:] == other.split()[1:]


def test_prompts_depend_on_the_seed_alone() -> None:
    assert LOAD.body(3) == LOAD.body(3)
    assert LOAD.body(3) != replace(LOAD, seed="another").body(3)


def test_the_order_of_turns_is_reversed_each_round() -> None:
    """After one that does not count."""
    server = Server("ours", "http://127.0.0.1:1")
    found = [Measured(Case("group", name, server, LOAD)) for name in "ab"]
    told = [(number, measured.case.name) for number, measured in order(found, rounds=2)]
    assert told == [(0, "b"), (0, "a"), (1, "a"), (1, "b"), (2, "b"), (2, "a")]


def test_a_meter_tells_what_others_used() -> None:
    meter = Meter(Server("ours", "http://127.0.0.1:1"))
    sum(range(10**6))
    busy = meter.busy()
    assert busy.server == 0
    assert busy.client > 0


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1), (0.5, 3), (0.95, 5), (1.0, 5)])
def test_quantiles_are_values_that_were_measured(share: float, expected: float) -> None:
    assert quantile([5, 4, 3, 2, 1], share) == expected


def test_no_values_have_the_quantile_zero() -> None:
    assert quantile([], 0.5) == 0
