"""What an earlier supervisor left is taken up: workers, nginx, the route, an unfinished deployment."""

import asyncio

from supervisor.core.interrupted import INTERRUPTED
from supervisor.core.reconcile import Resumption, reconcile
from supervisor.core.records import Warned
from supervisor.core.state import Color, EdgePhase
from supervisor.parts import Parts
from supervisor.ports import naming
from supervisor.startup import Discovery


async def take_up(parts: Parts) -> None:
    """Adopt what an earlier supervisor left, or claim the ports for a new beginning."""
    discovery = Discovery(
        parts.journal, parts.admission, parts.probe, parts.settings.ports, parts.workforce.processes.adopt
    )
    if why := discovery.take_ports():
        parts.tell(Warned(why))
    parts.edge.write_config()  # again, with the ports of workers that live
    boot, edge_lives = await discovery.boot(), _adopt_edge(parts)
    found = discovery.found(boot, parts.settings.config.policy(), edge_lives, await discovery.survivors())
    resumption = reconcile(found)
    if resumption.state.boot:
        await discovery.check_boot(boot)
    for color in set(Color) - {survivor.color for survivor in found.survivors}:
        parts.workforce.check_port(color)
    await _resume(parts, resumption)
    for step in resumption.steps:
        parts.journal.write(step)
    if found.unfinished and resumption.outcome:
        parts.journal.end_unfinished(found.unfinished.deployment, resumption.outcome, INTERRUPTED)
    for record in resumption.retold(found.unfinished):
        parts.feed.publish(record)
        parts.metrics.publish(record)


async def _resume(parts: Parts, resumption: Resumption) -> None:
    """Bring route and processes to what was decided.

    The configuration comes before the route: a request that is held by a worker of nginx that has the old one could
    only be replayed to where nobody is.
    """
    state = resumption.state
    parts.loop.begin_with(state)
    if state.edge is EdgePhase.RUNNING:
        await parts.edge.switch(state.routed)
        parts.executor.watch_edge()
    else:
        parts.edge.write_route(state.routed)
        with naming("edge.listen"):
            parts.edge.bind()
        await parts.edge.test_config()
    stop, timeout_s = parts.workforce.processes.stop, state.policy.stop_timeout_s
    await asyncio.gather(*(stop(worker_id, timeout_s) for worker_id in resumption.stop))
    for worker_id in resumption.stop:
        parts.journal.lose_worker(worker_id)


def _adopt_edge(parts: Parts) -> bool:
    recorded = parts.journal.fact("edge")
    return bool(recorded) and parts.edge.adopt(int(recorded[0]), float(recorded[1]))
