"""`modelsvc ctl rollback|swap|start|stop|shutdown|handover`: the operations that take no input but a colour."""

import click

from modelsvc.cli.base import Command
from modelsvc.cli.ctl import Target
from modelsvc.cli.ctl.operate import operate, patience_option
from supervisor.protocol import Color

color_argument = click.argument("color", type=click.Choice([str(color) for color in Color]), metavar="COLOR")


in_place_option = click.option(
    "--in-place", is_flag=True, help="Hold requests and stop the old worker first: for what does not fit beside it."
)


@click.command(cls=Command)
@in_place_option
@patience_option
@click.pass_obj
def rollback(target: Target, in_place: bool, patience_s: float | None) -> int:
    """Go back to the release that served before.

    At once when its worker is still warm, by a full deployment of that release when not.

    \b
    Example:
      modelsvc ctl rollback
    """
    client = target.client(patience_s=patience_s)
    return operate("rollback", lambda: client.rollback(in_place))


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
@patience_option
@click.pass_obj
def swap(target: Target, patience_s: float | None) -> int:
    """Let the other colour serve; its worker must be ready.

    \b
    Example:
      modelsvc ctl swap --timeout 60
    """
    return operate("swap", target.client(patience_s=patience_s).swap)


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
@patience_option
@click.pass_obj
def shutdown(target: Target, patience_s: float | None) -> int:
    """Stop the whole service: the edge, the workers and the supervisor.

    \b
    Example:
      modelsvc ctl shutdown
    """
    return operate("shutdown", target.client(patience_s=patience_s).shutdown)


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
