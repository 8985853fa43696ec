"""Steps 2 and 10: whom the edge routes to, by its own report and by who answers through it."""

import asyncio
import time

from supervisor.core.state import Color
from supervisor.edge import Edge
from supervisor.errors import EdgeError, WorkerError
from supervisor.workers.probe import Answerer, Probe

CHECK_TIMEOUT_S = 1.0
VERIFIED_ANSWERS = 5  # in a row, each on a connection of its own
ASK_INTERVAL_S = 0.01
REMEDY = "run `modelsvc ctl shutdown` and `modelsvc up`"


async def check_edge(edge: Edge, probe: Probe, color: Color | None) -> str:
    """That nginx runs and routes to the active colour, if there is one. Raises EdgeError."""
    report = edge.report()
    if not report.running:
        raise EdgeError("nginx does not run: see `modelsvc ctl logs edge`", code="edge_absent")
    if color is not None and report.routes_to is not color:
        raise EdgeError(
            f"the edge routes to {report.routes_to or 'nobody'}, not to the active {color}: {REMEDY}",
            code="route_differs",
        )
    await _check_answer(probe, color)
    return f"nginx {report.nginx_version} routes to {report.routes_to or 'nobody yet'}"


async def _check_answer(probe: Probe, color: Color | None) -> None:
    """What nginx does may differ from its route file. No answer, from a hung worker say, tells nothing."""
    try:
        answerer = (await probe.through_edge(CHECK_TIMEOUT_S)).color
    except WorkerError:
        return
    if color is not None and answerer not in (None, color):
        raise EdgeError(
            f"answers at the edge come from {answerer}, not from the active {color}: {REMEDY}",
            code="route_differs",
        )


async def verify_route(probe: Probe, color: Color, release: int | None, timeout_s: float = 10.0) -> str:
    """Ask until `color` answered VERIFIED_ANSWERS times in a row. Raises WorkerError at the deadline.

    No answer counts as a wrong one: a single connection that broke proves nothing.
    """
    wanted = Answerer(color, str(release))
    deadline, right, said = time.monotonic() + timeout_s, 0, "nobody was asked"
    while time.monotonic() < deadline:
        try:
            answerer = await probe.through_edge()
            said = f"the edge still answers from {answerer.color or 'nobody'} (release {answerer.release})"
        except WorkerError as error:
            answerer, said = None, error.message
        right = right + 1 if answerer == wanted else 0
        if right == VERIFIED_ANSWERS:
            return f"{right} answers from {color}, release {release}"
        await asyncio.sleep(ASK_INTERVAL_S)
    raise WorkerError(f"{said} after {timeout_s:g} s, where {color} (release {release}) should answer")
