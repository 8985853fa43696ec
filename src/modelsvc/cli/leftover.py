"""Refusing what would be done under workers and nginx that live without a supervisor."""

from supervisor.errors import Refused
from supervisor.own_processes import left_behind
from supervisor.paths import StatePaths


def check_none_left(paths: StatePaths, holder: str = "") -> None:
    """Raise Refused where one is left; `holder` is the pid of a supervisor that lives and does not answer."""
    if left := left_behind(paths):
        first = f"end the supervisor that hangs with `kill -9 {holder}`, then " if holder else ""
        raise Refused(
            f"no supervisor answers, but {', '.join(left)} still live(s): {first}`modelsvc up` takes them over,"
            " and `modelsvc ctl shutdown` ends all",
            code="left_behind",
        )
