"""`python -m supervisor`: what `modelsvc up` becomes."""

import os
import sys

from supervisor import signals


def main() -> int:
    """Run until shut down; the exit code is that of protocol.ExitCode."""
    signals.keep()
    from supervisor.program import main  # which takes its time

    return main()


def leave(code: int) -> None:
    """End without the interpreter's own end, in which a thread of Granian's that still runs would abort the process."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main())
