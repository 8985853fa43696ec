"""Samples for the charts: rates and latency of each colour, and what was not measured."""

import asyncio

import pytest
import structlog

from supervisor.core.state import Color
from supervisor.nginx.access_log import EdgeEntry
from supervisor.page import pulse as module
from supervisor.page.pulse import INTERVAL_S, KEPT_S, Pulse, quantile
from supervisor.page.tokens import FIRST, GAPS, Count, TokenRates, gained, tokens_in

BLUE, GREEN = Color.BLUE, Color.GREEN


class Bench:
    """A pulse on a clock of its own, with workers that tell what the test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.texts: dict[Color, str | None] = {BLUE: told(0, 0), GREEN: None}
        self.workers: dict[Color, str | None] = {BLUE: "blue-1", GREEN: "green-1"}
        self.asked = 0
        self.logged: list[EdgeEntry] = []
        monkeypatch.setattr("time.monotonic", lambda: self.now)
        self.pulse = Pulse(7, lambda: BLUE, TokenRates(self.read, self.workers.__getitem__), self.look)

    async def read(self, color: Color) -> str | None:
        self.asked += color is BLUE
        return self.texts[color]

    async def look(self) -> None:
        self.pulse.answered(self.logged)
        self.logged = []

    async def passes(self, seconds: float = INTERVAL_S) -> module.Sample:
        self.now += seconds
        await self.pulse.sample()
        return self.pulse.report(0).samples[-1]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def told(gaps: float, first: float) -> str:
    return f'# TYPE x histogram\n{GAPS} {gaps}\n{GAPS.removesuffix("count")}bucket{{le="1"}} 5\n{FIRST} {first}\n'


def entry(color: Color | None, seconds: float = 0.1, status: int = 200) -> EdgeEntry:
    return EdgeEntry(0.0, color, status, seconds)


async def test_requests_are_told_by_colour_and_per_second(bench: Bench) -> None:
    """What was logged up to the sample belongs to it, and is not told twice."""
    bench.logged = [entry(BLUE)] * 6 + [entry(GREEN)] * 2
    sample = await bench.passes()
    assert (sample.colors[BLUE].requests_per_s, sample.colors[GREEN].requests_per_s) == (3, 1)
    after = await bench.passes()
    assert (after.colors[BLUE].requests_per_s, after.number) == (0, sample.number + 1)


async def test_failures_count_whoever_answered(bench: Bench) -> None:
    """Nobody's, too: those nginx answered itself. What the client did wrong is no failure."""
    bench.logged = [entry(BLUE, status=500), entry(None, status=503), entry(BLUE, status=404)]
    assert (await bench.passes()).failed == 2
    assert (await bench.passes()).failed == 0


async def test_latency_is_that_of_the_last_ten_seconds(bench: Bench) -> None:
    """A single sample may have one answer only; what is older than the window is forgotten; none is null."""
    bench.logged = [entry(BLUE, float(seconds)) for seconds in range(1, 101)]
    assert ((await bench.passes()).colors[BLUE].p50_s, (await bench.passes()).colors[BLUE].p95_s) == (50, 95)
    for _ in range(3):
        last = await bench.passes()
    assert last.colors[BLUE].p50_s == 50
    assert (await bench.passes()).colors[BLUE].p50_s is None
    assert last.colors[GREEN].p50_s is None


async def test_tokens_are_counted_while_they_come(bench: Bench) -> None:
    """Between two counts of one worker; a new worker, and one that does not tell, have no rate."""
    bench.pulse.report(0)
    assert (await bench.passes()).colors[BLUE].tokens_per_s is None, "one count is no rate"
    bench.texts[BLUE] = told(90, 10)
    sample = await bench.passes()
    assert (sample.colors[BLUE].tokens_per_s, sample.colors[GREEN].tokens_per_s) == (50, None)
    bench.workers[BLUE], bench.texts[BLUE] = "blue-2", told(1, 1)
    assert (await bench.passes()).colors[BLUE].tokens_per_s is None
    bench.texts[BLUE] = None
    assert (await bench.passes()).colors[BLUE].tokens_per_s is None


async def test_workers_are_asked_rarely_while_nobody_looks(bench: Bench) -> None:
    """As rarely as Prometheus asks them; a look makes it every sample, for a while."""
    for _ in range(10):
        bench.now += INTERVAL_S
        await bench.pulse.sample()
    assert bench.asked == 2
    bench.pulse.report(0)
    for _ in range(10):
        bench.now += INTERVAL_S
        await bench.pulse.sample()
    assert bench.asked == 12
    bench.now += module.WATCHED_S
    await bench.pulse.sample()
    bench.now += INTERVAL_S
    await bench.pulse.sample()
    assert bench.asked == 13


async def test_ten_minutes_are_kept_and_only_what_is_new_is_told(bench: Bench) -> None:
    """A page asks with the number of the last sample it has."""
    for _ in range(round(KEPT_S / INTERVAL_S) + 20):
        bench.now += INTERVAL_S
        await bench.pulse.sample()
    report = bench.pulse.report(0)
    assert len(report.samples) == KEPT_S / INTERVAL_S
    last = report.samples[-1].number
    assert [sample.number for sample in bench.pulse.report(last - 2).samples] == [last - 1, last]
    assert bench.pulse.report(last).samples == []


async def test_a_sample_that_fails_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told in the log, and the next one is taken."""
    looks, taken = 0, asyncio.Event()

    async def look() -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise OSError("the log cannot be read")
        taken.set()

    async def silent(color: Color) -> None:
        return None

    monkeypatch.setattr(module, "INTERVAL_S", 0.01)
    pulse = Pulse(7, lambda: None, TokenRates(silent, lambda color: None), look)
    with structlog.testing.capture_logs() as lines:
        running = asyncio.create_task(pulse.run())
        await asyncio.wait_for(taken.wait(), 10)
        running.cancel()
        await asyncio.wait([running])
    assert [line["event"] for line in lines] == ["pulse_not_taken"]
    assert running.cancelled()


@pytest.mark.parametrize(
    ("share", "values", "found"),
    [(0.5, [], None), (0.5, [3], 3), (0.95, [3], 3), (0.5, [1, 2, 3], 2), (0.95, list(range(1, 21)), 19)],
)
def test_quantiles_are_values_that_were_measured(share: float, values: list[float], found: float | None) -> None:
    """The nearest rank."""
    assert quantile(values, share) == found


@pytest.mark.parametrize("text", ["", f"{GAPS} 5\n", f"{GAPS} x\n{FIRST} 1\n", "<html>"])
def test_what_is_no_metrics_has_no_tokens(text: str) -> None:
    """Whoever answers on the worker's port may not be a worker."""
    assert tokens_in(text) is None


def test_a_counter_that_went_back_is_no_negative_rate() -> None:
    """A worker that was started again under its old id, say."""
    assert gained(Count("a", 10, 1.0), Count("a", 4, 2.0)) == 0
    assert gained(Count("a", 10, 1.0), Count("a", 14, 1.0)) is None
