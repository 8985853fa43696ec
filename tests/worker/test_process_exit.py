"""The end of the supervisor and of a worker: the exit code is the one that was meant, whatever else still runs."""

import os
import subprocess
import sys

import pytest

EXIT = "from modelsvc.process_exit import exit_now; exit_now(4)"


def run(program: str, redirection: str = "") -> subprocess.CompletedProcess[str]:
    shell = ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, "-c", program]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(shell, env=buffered, capture_output=True, text=True, timeout=60)


def test_what_was_written_is_not_lost() -> None:
    """A pipe is written to in blocks."""
    ended = run(f"import sys; print('told'); sys.stderr.write('said'); {EXIT}")
    assert (ended.returncode, ended.stdout, ended.stderr) == (4, "told\n", "said")


@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">&- 2>&-", ">/dev/full"])
def test_a_stream_that_takes_nothing_changes_nothing(redirection: str) -> None:
    ended = run(f"print('told'); {EXIT}", redirection)
    assert (ended.returncode, ended.stderr) == (4, "")


def test_neither_a_thread_nor_what_waits_for_the_interpreters_end_keeps_it() -> None:
    others = "atexit.register(print, 'late'); threading.Thread(target=threading.Event().wait).start()"
    ended = run(f"import atexit, threading; {others}; {EXIT}")
    assert (ended.returncode, ended.stdout) == (4, "")
