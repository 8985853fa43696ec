"""The watch on files at work: waits until they are still, has it decided what they mean, and asks for that.

Its loop is its own: a defect there is logged, and disturbs nobody who serves. What it asks for is asked as operators
do.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from supervisor.core import events as ev
from supervisor.core import records as rec
from supervisor.core.desired import Desired, Retry, Verdict, VerdictKind, decide
from supervisor.core.requests import obstacle
from supervisor.core.state import WATCH_REQUEST, Change, State
from supervisor.errors import SupervisorError
from supervisor.formats import rfc3339
from supervisor.protocol import WatchStatus
from supervisor.releases.spec import serving, whole
from supervisor.watching.follow import INTERVAL_S, occasions
from supervisor.watching.looks import LATE_S, Looks
from supervisor.watching.places import Signature, signature
from supervisor.watching.reader import Reader, Seen
from supervisor.watching.tracker import Tracker

PAUSE_LIMIT_S = 60.0

log = structlog.get_logger()


class Watcher:
    """`refusal` says what a deployment would be refused with just now. `tell` gets what the watch made of the files
    whenever that is news, or one of them had changed.
    """

    def __init__(
        self,
        reader: Reader,
        tracker: Tracker,
        state: Callable[[], State],
        post: Callable[[ev.Event], None],
        refusal: Callable[[Change], Awaitable[str]],
        tell: Callable[[rec.Record], None],
        debounce_s: float,
        interval_s: float = INTERVAL_S,
        late_s: float = LATE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tracker = tracker
        self.status = WatchStatus(verdict="")
        self._reader, self._state = reader, state
        self._post, self._refusal, self._tell = post, refusal, tell
        self._debounce_s, self._interval_s, self._clock = debounce_s, interval_s, clock
        self._looks = Looks(self._tell_late, late_s)
        self._looked_at: Signature = {}
        self._failures = 0  # in a row
        self._verdict: Verdict | None = None
        self._unread = Retry()  # of files that cannot be used for a reason that may pass

    async def run(self) -> None:
        """Until cancelled."""
        self.tracker.take_up(self._clock())
        async for _ in occasions(self._reader.paths, self._looks, self._interval_s):
            try:
                await self.occasion()
                self._failures = 0
            except Exception:
                log.exception("watch_failed")
                await asyncio.sleep(self._pause_s())

    async def occasion(self) -> None:
        """Look if a file changed, a deployment ended, or what was in the way is gone, or may be.

        While nothing serves and a first deployment is about to, there is nothing to compare with.
        """
        state = self._state()
        if self.tracker.asked or (state.active is None and obstacle(state)):
            return
        now = await self._signature()
        changed = now != self._looked_at
        if not (changed or self.tracker.has_news or self._may_go_on()):
            return
        self._looked_at = {}  # whatever goes wrong from here on, it is looked at again
        seen, at = await self._look_when_still() if changed else (await self._look(), now)
        before = _serving(self._state())
        self.tracker.settle(seen.desired, self._clock())
        await self._plan_retry(seen)
        if _serving(self._state()) == before:
            self._conclude(seen, changed)
            self._looked_at = at

    async def _signature(self) -> Signature:
        paths = self._reader.paths()
        return await self._looks.take(lambda: signature(paths))

    def _pause_s(self) -> float:
        """A defect that is met at each look is not logged every second for ever."""
        self._failures += 1
        return min(self._interval_s * 2.0 ** min(self._failures, 32), PAUSE_LIMIT_S)

    def _may_go_on(self) -> bool:
        if self._verdict is None or obstacle(self._state()):
            return False
        if self._verdict.again_s is not None:
            return self._clock() >= self._verdict.again_s
        return self._verdict.kind is VerdictKind.WAITS

    async def _look_when_still(self) -> tuple[Seen, Signature]:
        """A file may be long in coming, change while it is read, or turn out to be another one than was known."""
        while True:
            before = await self._signature()
            await asyncio.sleep(self._debounce_s)
            if await self._signature() != before:
                continue
            seen = await self._look()
            if await self._signature() == before:
                return seen, before

    async def _look(self) -> Seen:
        """Again if a deployment began or ended meanwhile: it would be compared with what serves no more."""
        while True:
            before = _serving(self._state())
            seen = await self._reader.look(self._looks)
            if _serving(self._state()) == before:
                return seen

    async def _plan_retry(self, seen: Seen) -> None:
        """What is due again is planned first: only what would not be refused is on record as a deployment."""
        desired = seen.desired
        if desired is None or not self.tracker.retries(desired) or self._decide(seen).kind is not VerdictKind.ASKS:
            return
        if reason := await self._shortage(self._change(desired)):
            self.tracker.put_off(self._clock(), reason)

    async def _shortage(self, change: Change) -> str:
        """Why it would still be refused, for a reason that may pass; a lasting one is to be on record."""
        if change == Change() and self._state().warm_release is not None:
            return ""  # it runs already
        try:
            return await self._refusal(change)
        except SupervisorError as error:
            return error.message if error.transient else ""

    def _conclude(self, seen: Seen, changed: bool) -> None:
        self._unread = self._unread.put_off(self._clock()) if seen.transient else Retry()
        verdict = self._decide(seen)
        self._tell_verdict(verdict, changed)
        self._tell_restart(seen.needs_restart)
        self._verdict = verdict
        self.status = WatchStatus(
            verdict=verdict.kind,
            changes=list(verdict.changes),
            reason=verdict.reason,
            needs_restart=list(seen.needs_restart),
            retry_at=self._at(verdict.again_s),
            retry_of=self._retried(verdict),
        )
        if verdict.kind is VerdictKind.IN_ACCORD and seen.section:
            self._reader.baseline.accord(seen.section)
        if seen.desired:
            self._act(verdict, seen.desired)

    def _decide(self, seen: Seen) -> Verdict:
        if seen.desired is None:
            again_s = self._unread.due_s if seen.transient else None
            return Verdict(VerdictKind.REJECTED, reason=seen.problem, again_s=again_s)
        tracker, in_the_way = self.tracker, obstacle(self._state())
        return decide(seen.desired, seen.serving, tracker.handled, in_the_way, tracker.retry, self._clock())

    def _at(self, clock_s: float | None) -> str | None:
        """On people's clocks."""
        return None if clock_s is None else rfc3339(time.time() + clock_s - self._clock())

    def _retried(self, verdict: Verdict) -> int | None:
        waits = verdict.kind is VerdictKind.WAITS and verdict.again_s is not None
        return self.tracker.handled.deployment if waits and self.tracker.handled else None

    def _act(self, verdict: Verdict, desired: Desired) -> None:
        self.tracker.desired = desired
        if verdict.kind is VerdictKind.IN_ACCORD:
            self.tracker.accord(desired)
        elif verdict.kind is VerdictKind.ASKS:
            asking = ev.DeployRequested(WATCH_REQUEST, self._change(desired), because="; ".join(verdict.changes))
            self.tracker.asked = desired
            self._post(asking)

    def _change(self, desired: Desired) -> Change:
        """None: what is wanted is taken up by the rule of every deployment. But without one it goes to what is
        prewarmed, which may be something else."""
        warm, spec = self._state().warm_release, desired.spec
        if warm is None or serving(self._reader.releases.read(warm)) == spec:
            return Change()
        return whole(spec.model_path, spec.settings)

    def _tell_verdict(self, verdict: Verdict, changed: bool) -> None:
        """News, and what became of a file that changed; but the same problem is told once."""
        news = self._verdict is None or verdict.essence != self._verdict.essence
        if news or (changed and verdict.kind is not VerdictKind.REJECTED):
            self._tell(rec.WatchDecided(verdict.kind, verdict.changes, verdict.reason))

    def _tell_restart(self, keys: tuple[str, ...]) -> None:
        if keys and list(keys) != self.status.needs_restart:
            self._tell(
                rec.Warned(
                    f"edited, and read at the start only: {', '.join(keys)}; `modelsvc service restart` takes it up,"
                    " and loses no request"
                )
            )

    def _tell_late(self) -> None:
        where = " or ".join(str(path.parent) for path in self._reader.paths())
        self._tell(
            rec.Warned(
                f"the watch on files waits for a look into {where}, and sees no change until that comes back: see"
                " whether a file system hangs"
            )
        )


def _serving(state: State) -> tuple[int | None, int | None]:
    """The release that serves, and the deployment that may change that."""
    return state.active_release, state.deployment.id if state.deployment else None
