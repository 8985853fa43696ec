"""A service that `make` is run against, and what is asked of it beside."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import tomli_w
from disposable.processes import processes_of
from disposable.service import is_settled
from disposable.waiting import until
from tests.support.service_fixture import ROOT, Ran, Service, service_folder

from supervisor.errors import SupervisorError
from supervisor.protocol import Color

LAST_S = 110
NO_SETUP = ("-o", "setup")  # what it would install is installed, or this test would not run


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Without what a `make test` around us says to its own recipes."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return {**own, "PYTHON_ENV": sys.executable, **more}


def make(*arguments: str, folder: Path = ROOT, more: Mapping[str, str] = {}, setup: bool = False) -> Ran:
    """The real `make`, in the checkout or in another folder; `setup`: it is run where a target asks for it."""
    command = ["make", "--no-print-directory", *(() if setup else NO_SETUP), *arguments]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LAST_S,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True)
class Bench:
    """`results` is where load tests keep theirs."""

    service: Service
    results: Path

    def make(self, target: str, **variables: str) -> Ran:
        """A target that must do well."""
        ran = self.tries(target, **variables)
        assert ran.code == 0, f"make {target}: {ran.code}\n{ran.out}\n{ran.err}"
        return ran

    def tries(self, target: str, **variables: str) -> Ran:
        words = [f"{name}={value}" for name, value in variables.items()]
        return make(target, *words, more={**self.service.env, "RESULTS": str(self.results)})

    def serving(self, color: str, *, other: bool = False) -> Service:
        """Have that colour serve; with `other`, the other one stands by."""
        wanted, service = Color(color), self.service
        if not self.runs():
            assert service.run("up", "--detach").code == 0
        if service.status().active is not wanted or other:
            service.does("start", wanted if service.status().active is not wanted else wanted.other)
        service.does("swap", wanted)
        return service

    def runs(self) -> bool:
        """Whether a colour serves, and nothing is being deployed."""
        try:
            return is_settled(self.service.status())
        except SupervisorError:
            return False

    def kinds(self) -> list[str]:
        """Of all deployments, the latest first."""
        return [str(past.kind) for past in self.service.history()]

    def active(self) -> str | None:
        return self.service.status().active


@contextmanager
def benched(results: Path) -> Iterator[Bench]:
    """Nothing runs at first, and nothing is left afterwards."""
    with service_folder() as service:
        service.config.write_text(tomli_w.dumps(service.tables))
        yield Bench(service, results)
        assert service.ctl("shutdown", "--if-running").code == 0
        until(lambda: not processes_of(service.folder), "the supervisor has exited")
