"""How many files a process may have open, tried in processes of their own: a limit that was lowered stays low."""

import subprocess
import sys

import pytest

RAISED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
from supervisor import open_files
open_files.raise_limit()
print(open_files.attainable(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "attainable", "then"),
    [
        (256, 10_000, 8192, 8192),  # as in a shell of macOS
        (1024, 4096, 4096, 4096),  # no more than the system grants: nginx would log an alert and stay at the soft limit
        (9000, 10_000, 8192, 9000),
    ],
)
def test_as_many_as_needed_or_granted(soft: int, hard: int, attainable: int, then: int) -> None:
    """More stays more."""
    command = [sys.executable, "-c", RAISED, str(soft), str(hard)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.split() == [str(attainable), str(then), str(hard)]
