"""POST /api/deployments and its like: what `modelsvc ctl` asks for without arguments, for whoever has a key."""

from litestar import post
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from supervisor.control.app import OPERATION, ControlPlane
from supervisor.core import events as ev
from supervisor.core.state import Change, DeploymentKind
from supervisor.page.access import Access
from supervisor.page.looks import AnyRequest, authorization


def operation_routes(plane: ControlPlane, access: Access) -> list[HTTPRouteHandler]:
    """Each answers with a line for every event, as on the control socket; work goes on when the page goes away."""

    def allow(request: AnyRequest) -> None:
        access.check_operate(authorization(request))

    @post("/api/deployments", **OPERATION)
    async def deploy(request: AnyRequest) -> Stream:
        allow(request)
        return plane.operate(lambda asked: ev.DeployRequested(asked, Change()))

    @post("/api/prewarm", **OPERATION)
    async def prewarm(request: AnyRequest) -> Stream:
        allow(request)
        return plane.operate(lambda asked: ev.PrewarmRequested(asked, Change()))

    @post("/api/rollback", **OPERATION)
    async def rollback(request: AnyRequest) -> Stream:
        allow(request)
        return plane.operate(lambda asked: ev.SwitchRequested(asked, DeploymentKind.ROLLBACK))

    @post("/api/swap", **OPERATION)
    async def swap(request: AnyRequest) -> Stream:
        allow(request)
        return plane.operate(lambda asked: ev.SwitchRequested(asked, DeploymentKind.SWAP))

    return [deploy, prewarm, rollback, swap]
