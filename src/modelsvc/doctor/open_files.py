"""How many files and sockets processes may have open: each client takes two at the edge."""

import resource
from collections.abc import Iterator

from modelsvc.doctor.findings import Finding, found
from modelsvc.doctor.situation import Situation
from supervisor.open_files import OPEN_FILES


def check(_: Situation) -> Iterator[Finding]:
    """Of the limits this process has; a service manager may set others."""
    yield judge(*resource.getrlimit(resource.RLIMIT_NOFILE))


def judge(soft: int, hard: int) -> Finding:
    """The supervisor raises its own limit, and with it that of nginx and the workers, as far as the hard one allows."""
    known = f"{_shown(soft)} open files, {_shown(hard)} at most"
    if hard != resource.RLIM_INFINITY and hard < OPEN_FILES:
        return found(
            "open_files_few",
            f"{known}; {OPEN_FILES:,} are wanted: with fewer, many clients at once are refused",
            f"`ulimit -n {OPEN_FILES}` before `modelsvc up`, LimitNOFILE={OPEN_FILES} in a systemd unit",
        )
    return found("open_files_ok", known)


def _shown(limit: int) -> str:
    return "any number of" if limit == resource.RLIM_INFINITY else f"{limit:,}"
