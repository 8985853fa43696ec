"""The service that a load test asks: one of its own, of which nothing is left afterwards, or one that runs already."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from disposable.errors import Failed
from disposable.service import Service, service_folder
from loadtest.rig.errors import Misuse, RunFailed

from supervisor import config as configuration
from supervisor.client import ControlClient
from supervisor.errors import SupervisorError
from supervisor.paths import control_socket, find_config

START_TIMEOUT_S = 180.0


@dataclass(frozen=True, slots=True)
class Target:
    """`url` is that of the edge; `environment` is that of commands to the service. Without `client` it has none.

    `metrics_listen`: where the supervisor's metrics are.
    """

    url: str
    environment: Mapping[str, str]
    client: ControlClient | None
    metrics_listen: str


@contextmanager
def own(model: Path | None, context_tokens: int, slots: int, bake_s: float) -> Iterator[Target]:
    """A real service in a folder and on ports of its own, on the built-in model when there is no other."""
    if model is not None and not model.is_file():
        raise Misuse(f"there is no model file {model}: name a GGUF file, or none for the built-in model")
    tables: dict[str, dict[str, Any]] = {
        "model": {
            "path": str(model.absolute()) if model else "",
            "threads": 0,
            "context_tokens": context_tokens,
            "slots": slots,
        },
        "deploy": {"bake_s": bake_s, "ready_timeout_s": START_TIMEOUT_S},
    }
    with service_folder(Service, tables) as service:
        service.launch()
        try:
            service.settled(START_TIMEOUT_S)
        except Failed as error:
            raise RunFailed(f"the service did not start: {error}") from error
        yield Target(service.url, service.env, service.client, service.tables["control"]["metrics_listen"])


def running(url: str | None, *, must_obey: bool) -> Target:
    """The one that runs already: its configuration is found as `modelsvc ctl` finds it.

    Raises SupervisorError when nobody answers on its control socket though it must obey; else there is no client then.
    """
    config_path = find_config()
    config = configuration.load(config_path)
    client = ControlClient(control_socket(config_path))
    if must_obey and url is None:
        client.status()  # that no daemon runs is told before that nobody is at its edge
    _check(url := (url or f"http://{config.edge.listen}").rstrip("/"))
    try:
        listens = client.status().edge.listen
    except SupervisorError:
        if must_obey:
            raise
        return Target(url, os.environ, None, "")
    if httpx.URL(url).netloc != listens.encode():
        raise Misuse(f"{url} is not the edge of the service that `modelsvc ctl` finds, which is at {listens}")
    return Target(url, os.environ, client, config.control.metrics_listen)


def _check(url: str) -> None:
    try:
        host = httpx.URL(url).host
    except httpx.InvalidURL as error:
        raise Misuse(f"{url} is no address: {error}; the edge's is like http://127.0.0.1:8080") from error
    if host not in ("127.0.0.1", "::1", "localhost"):
        raise Misuse(f"{url} is not on this machine: load tests are for services on the loopback interface")
    try:
        httpx.get(f"{url}/healthz", timeout=10, trust_env=False)
    except httpx.HTTPError as error:
        raise Misuse(f"nobody answers at {url}: {error}; start `modelsvc up`, or give the URL of the edge") from error
