"""A real Prometheus for tests: whether there is one, one of a test's own, and what it says."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from disposable.waiting import until

FOUND = shutil.which("prometheus") and shutil.which("promtool")
needs_prometheus = pytest.mark.skipif(
    not FOUND, reason="there is no Prometheus here: `make setup` installs one where the system has it"
)


def promtool(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


@dataclass(frozen=True)
class Prometheus:
    """What answers at `url`."""

    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of now. Raises AssertionError, with Prometheus' words, when it is no expression."""
        answer = self._get("/api/v1/query", {"query": expression})
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def labels(self, label: str, series: str) -> list[str]:
        values: list[str] = self._get(f"/api/v1/label/{label}/values", {"match[]": series})["data"]
        return values

    def _get(self, path: str, parameters: dict[str, str]) -> dict[str, Any]:
        answer: dict[str, Any] = httpx.get(self.url + path, params=parameters, timeout=20, trust_env=False).json()
        assert answer["status"] == "success", (parameters, answer)
        return answer


@contextmanager
def running_prometheus(folder: Path, port: int) -> Iterator[Prometheus]:
    """One that runs with `folder`/prometheus.yml; ended with the test."""
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log, cwd=folder) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            until(lambda: _is_ready(url), f"Prometheus is ready: {(folder / 'log').read_text()}")
            yield Prometheus(url)
        finally:
            process.kill()


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready", trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def load_json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found
