"""From effects to adapters, and from their results to events."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

import structlog

from supervisor.core import effects as fx
from supervisor.core import events as ev
from supervisor.core.records import Record
from supervisor.core.state import Color
from supervisor.edge import Edge
from supervisor.errors import SupervisorError
from supervisor.holder import Holder
from supervisor.steps.runner import StepResult, StepRunner
from supervisor.workers.workforce import Workforce

log = structlog.get_logger()


class Sink(Protocol):
    """Somewhere records go."""

    def publish(self, record: Record) -> None: ...


class Executor:
    """Performs effects: small ones at once, those that wait as tasks. Only one step runs at a time."""

    def __init__(
        self,
        post: Callable[[ev.Event], None],
        sinks: Sequence[Sink],
        workforce: Workforce,
        edge: Edge,
        steps: StepRunner,
        holder: Holder,
    ) -> None:
        self._post = post
        self._sinks = sinks
        self._workforce = workforce
        self._edge = edge
        self._steps = steps
        self._holder = holder
        self._step: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._starting: dict[str, asyncio.Task[None]] = {}

    def perform(self, effect: fx.Effect) -> None:
        """Do it, or see to it that it gets done. Raises JournalError when a record cannot be kept."""
        match effect:
            case fx.Write():
                for sink in self._sinks:
                    sink.publish(effect.record)
            case fx.After():
                asyncio.get_running_loop().call_later(effect.delay_s, self._post, effect.event)
            case fx.AdmitWorker():
                self._spawn(self._admit_worker(effect))
            case fx.StartWorker():
                self._starting[effect.worker_id] = self._spawn(self._start_worker(effect))
            case fx.StopWorker():
                self._spawn(self._stop_worker(effect))
            case fx.StartEdge():
                self._spawn(self._run_edge())
            case fx.StopEdge():
                self._spawn(self._edge.stop(effect.timeout_s))
            case fx.Route():
                self._route(effect.color)
            case fx.AwaitHeld():
                self._spawn(self._await_held())
            case fx.CancelStep():
                self._cancel_step()
            case fx.Exit():
                pass  # the loop's own
            case _:
                self._cancel_step()
                self._step = self._spawn(self._run_step(effect))

    def watch_edge(self) -> None:
        """Report the end of an nginx that was adopted."""
        self._spawn(self._await_edge_end())

    async def close(self) -> None:
        """Abandon whatever still runs."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _admit_worker(self, order: fx.AdmitWorker) -> None:
        try:
            await self._steps.admit_worker(order)
        except SupervisorError as error:
            self._post(ev.WorkerRefused(order.color, order.request, error.message))
        except Exception as error:
            log.exception("admission_crashed", color=order.color, release=order.release)
            self._post(ev.WorkerRefused(order.color, order.request, _defect(error)))
        else:
            self._post(ev.WorkerAdmitted(order.color, order.request))

    async def _start_worker(self, order: fx.StartWorker) -> None:
        """Its model file may have to be read before there is a process."""
        try:
            self._post(await self._workforce.start(order))
        except Exception as error:
            log.exception("start_crashed", worker_id=order.worker_id)
            self._post(ev.WorkerSpawnFailed(order.color, order.worker_id, _defect(error)))
        finally:
            self._starting.pop(order.worker_id, None)

    async def _stop_worker(self, order: fx.StopWorker) -> None:
        """Also one that has no process yet: it would come when nobody waits for it any more."""
        if starting := self._starting.get(order.worker_id):
            await asyncio.wait([starting])
        await self._workforce.processes.stop(order.worker_id, order.timeout_s)

    async def _run_step(self, effect: fx.StepEffect) -> None:
        try:
            result: StepResult = await self._steps.run(effect)
        except SupervisorError as error:
            self._post(ev.StepFailed(effect.token, error.message, error.evidence, error.transient))
        except Exception as error:
            log.exception("step_crashed", effect=repr(effect))
            self._post(ev.StepFailed(effect.token, _defect(error), transient=True))
        else:
            self._post(ev.StepSucceeded(effect.token, result.detail, result.release, result.evidence))

    def _route(self, color: Color | None) -> None:
        """What cannot be written now is written by the watchdog, which sees the difference."""
        try:
            self._edge.write_route(color)
        except SupervisorError as error:
            log.error("route_not_written", color=color, reason=error.message)

    async def _await_held(self) -> None:
        await self._holder.emptied()
        self._post(ev.HeldAnswered())

    async def _run_edge(self) -> None:
        try:
            identity = await self._edge.start()
        except SupervisorError as error:
            self._post(ev.EdgeEnded(error.message))
            return
        except Exception as error:
            log.exception("edge_start_crashed")
            self._post(ev.EdgeEnded(_defect(error)))
            return
        self._post(ev.EdgeStarted(identity.pid, identity.started_at))
        await self._await_edge_end()

    async def _await_edge_end(self) -> None:
        code = await self._edge.wait()
        self._post(ev.EdgeEnded("nginx ended" if code is None else f"nginx ended with code {code}"))

    def _cancel_step(self) -> None:
        if self._step is not None:
            self._step.cancel()
            self._step = None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._over)
        return task

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("effect_crashed", task=task.get_name(), exc_info=error)


def _defect(error: Exception) -> str:
    return f"a defect of modelsvc: {error!r}; see logs/supervisor.log"
