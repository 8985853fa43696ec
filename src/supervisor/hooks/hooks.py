"""`[[hook]]`: commands that are run at events, one after the other for each hook, beside everything else.

Hooks follow the feed as anybody may, so nothing waits for them. Each has a bounded queue; when that is full the oldest
events are dropped, for the latest are worth more. A failure is told as HookFailed, which other hooks may be run at; but
none for the hook's own failure, and a failure at such a run is only logged and counted, so that nothing goes round.
"""

import asyncio
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, Counter

from supervisor.config import HookSection
from supervisor.core.records import HookFailed
from supervisor.feed.feed import Feed
from supervisor.hooks.run import Command, Outcome, Ran, run
from supervisor.paths import StatePaths
from supervisor.protocol import CONFIG_ENV, HOME_ENV, encode
from supervisor.protocol import happenings as hp

QUEUE_LIMIT = 100
MOMENT_S = 3.0  # for what is still to be run when the supervisor ends
ALL = "*"

log = structlog.get_logger()
Tell = Callable[[HookFailed], None]


def missing_programs(hooks: Sequence[HookSection]) -> list[str]:
    """What to say of each program that is not there: no reason not to serve, for a run of it is told as failed."""
    return [
        f"hook.{place}.command: there is no program {hook.command[0]!r} that can be run: mend the path, or its rights"
        for place, hook in enumerate(hooks, 1)
        if shutil.which(hook.command[0]) is None
    ]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What commands find around them."""

    paths: StatePaths
    control_socket: Path
    config: Path | None

    def environment(self, happening: hp.Happening) -> Mapping[str, str]:
        own = {
            "MODELSVC_EVENT": hp.name_of(happening),
            "MODELSVC_EVENT_ID": str(happening.id),
            "MODELSVC_SOCKET": str(self.control_socket),
            HOME_ENV: str(self.paths.root),
            **({CONFIG_ENV: str(self.config)} if self.config else {}),
        }
        inherited = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
        return {**inherited, **own}


class Hook:
    """One hook: what waits for it, and its runs. `report` gets each run's outcome."""

    def __init__(
        self,
        number: int,
        section: HookSection,
        around: Surroundings,
        report: "Callable[[Hook, hp.Happening, Ran], None]",
    ) -> None:
        self.number, self.program = number, section.command[0]
        self._section, self._around, self._report = section, around, report
        self._waiting: asyncio.Queue[hp.Happening | None] = asyncio.Queue()
        self._behind = False

    def wants(self, happening: hp.Happening) -> bool:
        match happening:
            case hp.EventsMissed():
                return False  # of one follower, not of the service
            case hp.HookFailed() if happening.hook == self.number:
                return False
            case _:
                return ALL in self._section.on or hp.name_of(happening) in self._section.on

    def put(self, happening: hp.Happening) -> None:
        if self._waiting.qsize() >= QUEUE_LIMIT:
            dropped = self._waiting.get_nowait()
            reason = (
                "" if self._behind else f"{QUEUE_LIMIT} events wait for it: the oldest are dropped until none waits"
            )
            self._behind = True
            if dropped:
                self._report(self, dropped, Ran(Outcome.DROPPED, reason))
        self._waiting.put_nowait(happening)

    def end(self) -> None:
        """After what waits."""
        self._waiting.put_nowait(None)

    async def work(self) -> None:
        """Run the command for each event, in order, until the end."""
        while (happening := await self._waiting.get()) is not None:
            try:
                self._report(self, happening, await self._run(happening))
            except Exception:
                log.exception("hook_crashed", hook=self.number, event_id=happening.id)  # a defect: the next one is run
            self._behind = self._behind and not self._waiting.empty()

    async def _run(self, happening: hp.Happening) -> Ran:
        environment, folder = self._around.environment(happening), self._around.paths.root
        command = Command(self._section.command, environment, folder, self._section.timeout_s)
        return await run(command, encode(happening) + b"\n")


class Hooks:
    """All hooks. `tell` gets failures, to be told to whoever watches."""

    def __init__(
        self,
        sections: Sequence[HookSection],
        around: Surroundings,
        feed: Feed,
        tell: Tell,
        registry: CollectorRegistry,
    ) -> None:
        self._feed, self._tell, self._from = feed, tell, feed.last
        self._hooks = [Hook(number, section, around, self._ended) for number, section in enumerate(sections, 1)]
        self._runs = Counter(
            "modelsvc_hook_runs", "Events that hooks were to be run at", ["event", "outcome"], registry=registry
        )
        self._distributing: asyncio.Task[None] | None = None
        self._working: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin with what was published since this was made."""
        if self._hooks:
            self._distributing = asyncio.create_task(self._distribute())
            self._working = [asyncio.create_task(hook.work()) for hook in self._hooks]

    async def close(self) -> None:
        """After the feed was closed: what is still to be run gets a moment, then it is ended."""
        if self._distributing is None:
            return
        await self._distributing
        for hook in self._hooks:
            hook.end()
        _, late = await asyncio.wait(self._working, timeout=MOMENT_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        if late:
            log.warning("hooks_ended_with_the_supervisor", hooks=len(late))

    async def _distribute(self) -> None:
        async for happening in self._feed.follow(self._from):
            for hook in self._hooks:
                if hook.wants(happening):
                    hook.put(happening)

    def _ended(self, hook: Hook, happening: hp.Happening, ran: Ran) -> None:
        event = hp.name_of(happening)
        self._runs.labels(event, ran.outcome).inc()
        if ran.output:
            log.info("hook_said", hook=hook.number, hook_event=event, event_id=happening.id, output=ran.output)
        if ran.outcome is Outcome.SUCCEEDED or not ran.reason:
            return
        failure = HookFailed(hook.number, hook.program, event, happening.id, ran.reason)
        if isinstance(happening, hp.HookFailed):
            log.warning("hook_failed_at_a_failure", hook=hook.number, event_id=happening.id, reason=ran.reason)
        else:
            self._tell(failure)
