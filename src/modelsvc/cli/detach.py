"""`modelsvc up --detach`: a supervisor in the background, where no service manager starts one.

The command waits until a colour serves, or until it is known that none will.
"""

from pathlib import Path

from modelsvc.cli import output
from modelsvc.cli.ctl.describe import not_serving
from modelsvc.cli.waiting.launched import Launch, Launcher
from modelsvc.cli.waiting.wait import ANSWER_S, facts, until_it_serves
from supervisor.client import ControlClient
from supervisor.paths import StatePaths, control_socket, state_paths
from supervisor.protocol import Status


def detach(config: Path | None, timeout_s: float) -> None:
    """Have a service run in the background. Raises SupervisorError when it does not, or not within `timeout_s`."""
    client, launcher = ControlClient(control_socket(config), ANSWER_S), Launcher(state_paths(), config)
    try:
        status = until_it_serves(client, launcher, timeout_s)
    except KeyboardInterrupt:
        output.say("it goes on starting in the background: `modelsvc ctl shutdown` ends it")
        raise
    _tell(status, launcher.launch, launcher.paths)


def _tell(status: Status, launch: Launch | None, paths: StatePaths) -> None:
    """As the foreground would have told it, and where the rest will be."""
    console = paths.console_log
    if output.json_wanted():
        output.emit({**facts(status), "already": launch is None, "console": str(console)})
        return
    for line in launch.console.lines() if launch else []:
        output.say(line.removeprefix("modelsvc: "))
    already = "runs already" if launch is None else "runs in the background"
    serving = not_serving(status) or f"{status.active} serves at http://{status.edge.listen}"
    output.say(f"{already}, pid {status.pid}; {serving}; its output goes to {console}")
