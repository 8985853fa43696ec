"""Python and the package: which ones run, and whether all that the package needs is there."""

import platform
import re
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from modelsvc import __version__
from modelsvc.doctor.findings import Finding, found
from modelsvc.doctor.situation import Situation
from supervisor.errors import JournalError, SupervisorError
from supervisor.journal.peek import peek
from supervisor.releases.store import ReleaseStore

_NAME = re.compile(r"[\w.-]+")


def check(situation: Situation) -> Iterator[Finding]:
    """The interpreter, the packages, and the version that the serving release was made with."""
    missing = missing_packages(requires("modelsvc") or ())
    if missing:
        seen = f"modelsvc {__version__} needs {', '.join(missing)}, not installed for {sys.executable}"
        yield found(
            "package_incomplete", seen, f"`{sys.executable} -m pip install {' '.join(missing)}`, or `make setup`"
        )
    yield from _environment()
    yield from judge_release(_version_that_serves(situation))


def missing_packages(requirements: Iterable[str]) -> list[str]:
    """Those of the requirements without an extra that are not installed in any version."""
    needed = (requirement for requirement in requirements if "extra ==" not in requirement)
    names = (match[0] for requirement in needed if (match := _NAME.match(requirement)))
    return [name for name in names if not _is_installed(name)]


def judge_release(served: str | None) -> Iterator[Finding]:
    """`served`: the package version of the release that serves; None when nothing does."""
    if served is not None and served != __version__:
        yield found(
            "package_older_release",
            f"modelsvc {__version__} is installed, and what serves was deployed by {served}",
            "`modelsvc ctl deploy` brings the installed version under traffic",
        )


def _environment() -> Iterator[Finding]:
    here = f"Python {platform.python_version()} at {sys.executable}, modelsvc {__version__}"
    if sys.prefix == sys.base_prefix:
        mend = "`make setup` makes one; so do `python3 -m venv` and pipx"
        yield found("python_no_environment", f"{here}: no virtual environment, so the system may change it", mend)
    else:
        yield found("python_ok", here)


def _is_installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def _version_that_serves(situation: Situation) -> str | None:
    """None, too, when the record cannot be read: the journal's check tells of it."""
    try:
        with peek(situation.paths.journal) as past:
            release = past.route().release
        return ReleaseStore(situation.paths.releases).read(release).package_version if release else None
    except (JournalError, SupervisorError):
        return None
