"""Options of commands that wait until the service serves."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from modelsvc.cli.base import MAX_S, Finite

WAIT_S = 600.0  # a big model on a slow disk takes minutes

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def timeout_option(of: str) -> Callable[[Decorated], Decorated]:
    """`--timeout` of a command that waits; `of` says when it does."""
    return click.option(
        "--timeout",
        "timeout_s",
        type=Finite(min=0, min_open=True, max=MAX_S),
        metavar="SECONDS",
        help=f"{of} after this long (exit code 5), {WAIT_S:.0f} if not given; it goes on.",
    )


@dataclass(frozen=True)
class Patience:
    """How long the command waits until a colour serves; `timeout_s` is None where it does not at all."""

    timeout_s: float | None

    @property
    def waits(self) -> bool:
        return self.timeout_s is not None


def waits(command: Callable[..., None]) -> Callable[..., None]:
    """`--timeout` and `--no-wait`, as `patience`."""

    @timeout_option("Give up waiting")
    @click.option("--no-wait", is_flag=True, help="Return when the service manager has started the supervisor.")
    @functools.wraps(command)
    def patient(*args: Any, timeout_s: float | None, no_wait: bool, **kwargs: Any) -> None:
        if no_wait and timeout_s is not None:
            raise click.UsageError("--timeout is how long it waits, and --no-wait that it does not: give one of them.")
        command(*args, patience=Patience(None if no_wait else timeout_s or WAIT_S), **kwargs)

    return patient
