"""`modelsvc ctl rollback|swap|start|stop|shutdown|handover`: the operations that take no input but a colour."""

import click

from modelsvc.cli import output
from modelsvc.cli.base import Command
from modelsvc.cli.ctl import Target
from modelsvc.cli.ctl.operate import operate, patience_option
from supervisor.client import Unreachable
from supervisor.paths import state_paths
from supervisor.protocol import Color, ExitCode

COLORS = click.Choice([str(color) for color in Color])
color_argument = click.argument("color", type=COLORS, metavar="COLOR")

in_place_option = click.option(
    "--in-place", is_flag=True, help="Hold requests and stop the old worker first: for what does not fit beside it."
)


@click.command(cls=Command)
@click.option("--to", type=COLORS, metavar="COLOR", help="Only if this colour does not serve already.")
@in_place_option
@patience_option
@click.pass_obj
def rollback(target: Target, to: str | None, in_place: bool, patience_s: float | None) -> int:
    """Go back to the release that served before.

    At once when its worker is still warm, by a full deployment of that release when not. With --to it may be run
    twice, and does not come back.

    \b
    Example:
      modelsvc ctl rollback
      modelsvc ctl rollback --to blue
    """
    client = target.client(patience_s=patience_s)
    return operate(_named("rollback", to), lambda: client.rollback(in_place, _color(to)))


@click.command(cls=Command)
@patience_option
@click.pass_obj
def pause(target: Target, patience_s: float | None) -> int:
    """Hold new requests at the edge; those that run are finished.

    A held request is answered after `ctl resume`, or 503 when edge.hold_timeout_s is over.

    \b
    Example:
      modelsvc ctl pause
    """
    return operate("pause", target.client(patience_s=patience_s).pause)


@click.command(cls=Command)
@patience_option
@click.pass_obj
def resume(target: Target, patience_s: float | None) -> int:
    """Let requests pass again, those that were held first.

    \b
    Example:
      modelsvc ctl resume
    """
    return operate("resume", target.client(patience_s=patience_s).resume)


@click.command(cls=Command)
@click.argument("color", required=False, type=COLORS, metavar="[COLOR]")
@patience_option
@click.pass_obj
def swap(target: Target, color: str | None, patience_s: float | None) -> int:
    """Let the other colour serve, or COLOR unless it does already. Its worker must be ready.

    \b
    Example:
      modelsvc ctl swap --timeout 60
      modelsvc ctl swap green
    """
    client = target.client(patience_s=patience_s)
    return operate(_named("swap", color), lambda: client.swap(_color(color)))


@click.command(cls=Command)
@color_argument
@patience_option
@click.pass_obj
def start(target: Target, color: str, patience_s: float | None) -> int:
    """Start a worker with the release it had, or with the active one.

    \b
    Example:
      modelsvc ctl start green
    """
    client = target.client(patience_s=patience_s)
    return operate(f"start {color}", lambda: client.start(Color(color)))


@click.command(cls=Command)
@color_argument
@click.option(
    "--force", is_flag=True, help="Even the worker that serves; the edge then answers 503 until a worker is started."
)
@patience_option
@click.pass_obj
def stop(target: Target, color: str, force: bool, patience_s: float | None) -> int:
    """Stop a worker when its requests are done.

    \b
    Example:
      modelsvc ctl stop blue
    """
    client = target.client(patience_s=patience_s)
    return operate(f"stop {color}", lambda: client.stop(Color(color), force))


@click.command(cls=Command)
@click.option("--if-running", is_flag=True, help="Exit 0 also when nothing of the service runs.")
@patience_option
@click.pass_obj
def shutdown(target: Target, if_running: bool, patience_s: float | None) -> int:
    """Stop the whole service: the edge, the workers and the supervisor.

    \b
    Example:
      modelsvc ctl shutdown
    """
    client = target.client(patience_s=patience_s)
    try:
        return operate("shutdown", client.shutdown)
    except Unreachable:
        if not if_running:
            raise
    return _nothing_to_stop()


@click.command(cls=Command)
@patience_option
@click.pass_obj
def handover(target: Target, patience_s: float | None) -> int:
    """End the supervisor alone, once what is under way is finished; nginx and the workers serve on.

    A service manager, or the next `modelsvc up`, starts one that takes over: with new code, or a new configuration.

    \b
    Example:
      modelsvc ctl handover && modelsvc up
    """
    return operate("handover", target.client(patience_s=patience_s).hand_over)


def _nothing_to_stop() -> int:
    """Raises Refused when workers or nginx live on without a supervisor."""
    # Looks at all processes, which is not for other operations to pay for.
    from modelsvc.cli.leftover import check_none_left

    check_none_left(state_paths())
    if output.json_wanted():
        output.emit({"running": False})
    else:
        click.echo("nothing of the service runs")
    return ExitCode.DONE


def _color(given: str | None) -> Color | None:
    return Color(given) if given else None


def _named(operation: str, color: str | None) -> str:
    """What the operation is called in what is told of it."""
    return f"{operation} to {color}" if color else operation
