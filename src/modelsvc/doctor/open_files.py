"""How many files and sockets processes may have open: each client takes two at the edge."""

import resource
from collections.abc import Iterator

from modelsvc.doctor.findings import Finding, found
from modelsvc.doctor.situation import Situation
from supervisor.nginx.config import OPEN_FILES

ENOUGH = 1024  # of the soft limit, by which the supervisor and the workers go


def check(_: Situation) -> Iterator[Finding]:
    """Of the limits this process has; a service manager may set others."""
    yield judge(*resource.getrlimit(resource.RLIMIT_NOFILE))


def judge(soft: int, hard: int) -> Finding:
    """nginx raises its own limit to the hard one."""
    known = f"{_shown(soft)} open files, {_shown(hard)} at most"
    if _is_below(hard, OPEN_FILES) or _is_below(soft, ENOUGH):
        return found(
            "open_files_few",
            f"{known}; {ENOUGH} and {OPEN_FILES} are wanted: with fewer, many clients at once are refused",
            f"`ulimit -n {OPEN_FILES}` before `modelsvc up`, LimitNOFILE={OPEN_FILES} in a systemd unit",
        )
    return found("open_files_ok", known)


def _is_below(limit: int, wanted: int) -> bool:
    return limit != resource.RLIM_INFINITY and limit < wanted


def _shown(limit: int) -> str:
    return "any number of" if limit == resource.RLIM_INFINITY else f"{limit:,}"
