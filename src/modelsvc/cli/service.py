"""`modelsvc service`: under the system's service manager, from the login or the boot on."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from modelsvc.cli import output
from modelsvc.cli.base import Command, LazyGroup
from modelsvc.cli.ctl.describe import not_serving
from modelsvc.cli.text import columns, yes_no
from modelsvc.cli.waiting.managed import Pending, prepare
from modelsvc.cli.waiting.options import Patience, waits
from modelsvc.cli.waiting.wait import facts
from modelsvc.service import look, operations
from modelsvc.service.choice import choose
from modelsvc.service.errors import ManagerFailed
from modelsvc.service.files import File
from modelsvc.service.installation import DEFAULT_NAME, Installation, check_name, resolve
from modelsvc.service.manager import Manager
from supervisor.protocol import ExitCode

_HERE = "modelsvc.cli.service"
DEFAULT_LINES = 50


@dataclass(frozen=True)
class Target:
    """Which service. Resolved only when needed, so that one can be stopped whose configuration is broken."""

    name: str
    config: Path | None = None

    def manager(self) -> Manager:
        return choose(check_name(self.name))

    def installation(self) -> Installation:
        return resolve(self.name, self.config, self.manager().recorded())


@click.group(
    cls=LazyGroup,
    lazy={name: f"{_HERE}:{name}" for name in ("install", "uninstall", "start", "stop", "restart", "status", "logs")},
)
@click.option("--name", default=DEFAULT_NAME, metavar="NAME", help="Which one, where there are several here.")
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="The configuration file to use.")
@click.pass_context
def service(ctx: click.Context, name: str, config: Path | None) -> None:
    """Have systemd (Linux) or launchd (macOS) run the service for you; no root is needed.

    \b
    Example:
      modelsvc service install
      modelsvc service status
    """
    ctx.obj = Target(name, config)


@click.command(cls=Command)
@click.option("--dry-run", "--print", is_flag=True, help="Show the files, and write none.")
@waits
@click.pass_obj
def install(target: Target, dry_run: bool, patience: Patience) -> None:
    """Install the service, start it, and return when a colour serves; done again, take up what changed.

    Paths of interpreter and nginx are taken as they are now; so are those of configuration and state folder, unless it
    is installed already and neither --config nor the environment names others.

    \b
    Example:
      modelsvc service install
      modelsvc service install --dry-run
    """
    manager, installation = target.manager(), target.installation()
    if dry_run:
        _show_files(manager.files(installation))
        return
    pending = prepare(manager, target.name, installation.state)
    done = operations.install(manager, installation, at_once=patience.waits)
    _show_installed(installation, done)
    written = [str(file.path) for file in done.changed]
    config = str(installation.config) if installation.config else None
    answer = {"files": [str(file.path) for file in done.files], "changed": written, "config": config, "note": done.note}
    _conclude(pending, patience, answer, "", replaced=bool(done.changed))


@click.command(cls=Command)
@click.pass_obj
def uninstall(target: Target) -> None:
    """Stop the service and remove its files; models, conversations and the journal stay.

    \b
    Example:
      modelsvc service uninstall
    """
    manager = target.manager()
    kept = str(operations.state_folder(manager).root)
    removed = [str(path) for path in operations.uninstall(manager)]
    lines = [*(f"removed  {path}" for path in removed), f"kept     {kept}: remove it by hand if you want"]
    _tell({"removed": removed, "kept": kept}, lines)


@click.command(cls=Command)
@waits
@click.pass_obj
def start(target: Target, patience: Patience) -> None:
    """Start the installed service, and return when a colour serves.

    \b
    Example:
      modelsvc service start
    """
    manager = target.manager()
    pending = prepare(manager, target.name, operations.state_folder(manager))
    operations.start(manager, at_once=patience.waits)
    _conclude(pending, patience, {"running": True}, "it runs")


@click.command(cls=Command)
@click.pass_obj
def stop(target: Target) -> None:
    """Stop it until the next start, login or boot: running answers are finished, then clients are refused.

    \b
    Example:
      modelsvc service stop
    """
    operations.stop(target.manager())
    _tell({"running": False}, ["it is stopped"])


@click.command(cls=Command)
@waits
@click.pass_obj
def restart(target: Target, patience: Patience) -> None:
    """Replace the supervisor by a new one, losing no request: nginx and the workers serve on.

    A running deployment is finished first. The command returns when a colour serves under the new one, which has the
    code and the configuration of now; workers that run older code are replaced by `modelsvc ctl deploy`.

    \b
    Example:
      modelsvc service restart
    """
    manager = target.manager()
    pending = prepare(manager, target.name, operations.state_folder(manager))
    operations.restart(manager, at_once=patience.waits)
    _conclude(pending, patience, {"running": True}, "the supervisor was replaced", replaced=True)


@click.command(cls=Command)
@click.pass_obj
def status(target: Target) -> int:
    """Show whether it is installed, up to date, running, and starts by itself; exit code 1 when something is wrong.

    \b
    Example:
      modelsvc service status
    """
    state = look(target.config, check_name(target.name))
    paths = [str(path) for path in state.files]
    facts: dict[str, Any] = {
        "manager": state.manager,
        "installed": state.installed,
        "running": state.running,
        "enabled": state.enabled,
        "stale": state.stale,
        "linger": state.linger,
    }
    told = "not known, or not needed here"
    rows = [[name, told if value is None else yes_no(value)] for name, value in facts.items()]
    _tell({**facts, "files": paths, "problem": state.problem}, columns([*rows, *(["file", path] for path in paths)]))
    if state.problem and not output.json_wanted():
        output.say(state.problem)
    return ExitCode.DONE if state.running and not state.problem else ExitCode.FAILED


@click.command(cls=Command)
@click.option("-n", "--lines", type=click.IntRange(min=1, max=10_000), default=DEFAULT_LINES, metavar="LINES")
@click.option("--follow", is_flag=True, help="Go on as lines come, until Ctrl-C.")
@click.pass_obj
def logs(target: Target, lines: int, follow: bool) -> None:
    """Show what the supervisor said to the service manager; all else is in `modelsvc ctl logs`.

    \b
    Example:
      modelsvc service logs -n 20 --follow
    """
    command = target.manager().log_command(lines, follow, output.json_wanted())
    sys.stdout.flush()
    try:
        os.execvp(command[0], command)
    except OSError as error:
        raise ManagerFailed(f"{command[0]} cannot be run: {error.strerror}; install it, or mend PATH") from error


def _show_files(files: Sequence[File]) -> None:
    shown = [f"# {file.path}\n{file.text}" for file in files]
    _tell({"files": [{"path": str(file.path), "text": file.text} for file in files]}, shown)


def _show_installed(installation: Installation, done: operations.Installed) -> None:
    """To people, before the waiting."""
    if output.json_wanted():
        return
    rows = [
        *(["wrote" if file in done.changed else "unchanged", str(file.path)] for file in done.files),
        ["config", str(installation.config or "none, the defaults hold")],
        ["state", str(installation.state.root)],
        ["runs", f"http://{installation.listen}"],
    ]
    click.echo("\n".join(columns(rows)))
    if done.note:
        output.say(done.note)


def _conclude(
    pending: Pending, patience: Patience, answer: Mapping[str, Any], done: str, *, replaced: bool = False
) -> None:
    """Wait, if wanted, and tell how it ended. Raises NotUp, DeadlineExceeded."""
    if patience.timeout_s is None:
        _tell(answer, [done] if done else [])
        return
    status = pending.until_it_serves(patience.timeout_s, replaced=replaced)
    serving = not_serving(status) or f"{status.active} serves at http://{status.edge.listen}"
    _tell({**answer, **facts(status)}, ["; ".join(filter(None, (done, serving, f"pid {status.pid}")))])


def _tell(answer: Mapping[str, Any], lines: Sequence[str]) -> None:
    if output.json_wanted():
        output.emit(answer)
    else:
        click.echo("".join(f"{line}\n" for line in lines), nl=False)
