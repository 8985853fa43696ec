"""What can keep a load test from telling anything, and how its program ends then."""

import sys
from collections.abc import Callable

from modelsvc.cli.base import INTERRUPTED
from supervisor.errors import SupervisorError
from supervisor.protocol import ExitCode


class RunFailed(Exception):
    """Something of the load test itself did not work; the message says what, and what to do."""


class Misuse(RunFailed):
    """Something was asked for that cannot be done."""


def exit_code(perform: Callable[[], int]) -> int:
    """The exit code that `perform` gives, or that of what kept it from ending, which is told on stderr."""
    try:
        return perform()
    except KeyboardInterrupt:
        return INTERRUPTED
    except SupervisorError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except RunFailed as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.MISUSE if isinstance(error, Misuse) else ExitCode.FAILED
