"""A service whose workers are fakes that behave as the test says."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from disposable.service import Tables
from tests.support.service_fixture import Service, other, running_service

RUNNER = Path(__file__).with_name("service_with_fake.py")
PATIENCE: Tables = {"deploy": {"ready_timeout_s": 5.0, "drain_timeout_s": 20.0}, "workers": {"stop_timeout_s": 2.0}}


@contextmanager
def fake_service(bake_s: float = 0.3, **changes: Mapping[str, Any]) -> Iterator[Service]:
    """Serves; all its workers behave well until `behave` says otherwise. `changes` are tables of its configuration."""
    tables = {**PATIENCE, **changes, "deploy": {**PATIENCE["deploy"], "bake_s": bake_s}}
    with running_service(program=(sys.executable, str(RUNNER)), tables=tables) as service:
        yield service


def begin_anew(service: Service) -> None:
    """All workers behave well, and only the active one runs."""
    behave(service)
    service.does("stop", other(service.settled().active))


def behave(service: Service, **by_color: dict[str, Any]) -> None:
    """How workers behave from now on, by colour; a colour that is not named behaves well."""
    beside = service.behaviour.with_suffix(".new")
    beside.write_text(json.dumps(by_color))
    beside.replace(service.behaviour)
