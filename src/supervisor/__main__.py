"""`python -m supervisor`: what `modelsvc up` becomes."""

from modelsvc.process_exit import exit_now
from supervisor import signals


def main() -> int:
    """Run until shut down; the exit code is that of protocol.ExitCode."""
    signals.keep()
    from supervisor.program import main  # which takes its time

    return main()


if __name__ == "__main__":
    exit_now(main())
