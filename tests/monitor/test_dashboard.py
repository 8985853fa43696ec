"""Every query of the dashboard, and every recording rule, against a real Prometheus that scraped a real service."""

import os
import re
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from disposable.ports import reserved_ports
from disposable.waiting import until
from tests.support.real_prometheus import Prometheus, load_json, needs_prometheus, running_prometheus
from tests.support.service_fixture import Service, other, passed, running_service
from tests.support.service_traffic import steady_traffic

from supervisor.config import load
from supervisor.core.lifecycle import Phase
from supervisor.monitor import files
from supervisor.protocol import DeployRequest

DASHBOARD = load_json(files.GRAFANA / "dashboards" / "modelsvc.json")
# What Grafana puts in for its own variables and ours, at a scrape interval of a second.
VARIABLES = {"$__rate_interval": "10m", "$color": ".*", "$__interval": "1s"}


def panels() -> list[dict[str, Any]]:
    """Also those in collapsed rows."""
    return [each for panel in DASHBOARD["panels"] for each in (panel, *panel.get("panels", []))]


def queries() -> list[tuple[str, str]]:
    """Where each is, and the expression."""
    of_panels = [
        (f"{panel['title']} {target['refId']}", target["expr"])
        for panel in panels()
        for target in panel.get("targets", [])
    ]
    annotations = [(f"annotation {each['name']}", each["expr"]) for each in DASHBOARD["annotations"]["list"]]
    return [*of_panels, *annotations]


def rules() -> list[str]:
    return re.findall(r"- record: (\S+)", (files.RULES / "recording.yml").read_text())


def filled_in(expression: str) -> str:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, f"a variable that the test does not know: {expression}"
    return expression


def has_data(prometheus: Prometheus, expression: str) -> bool:
    """A quantile of nothing is NaN, and draws nothing."""
    return any(sample["value"][1] != "NaN" for sample in prometheus.query(expression))


@pytest.fixture(scope="module")
def prometheus() -> Iterator[Prometheus]:
    """It scraped a service that was deployed to under traffic, and held requests."""
    folder = Path(tempfile.mkdtemp(prefix="msvcprom"))
    try:
        with running_service(tables={"deploy": {"bake_s": 2.5}}) as service, reserved_ports(1) as (port,):
            files.write(folder, files.render(load(service.config), scrape_interval="1s"))
            with running_prometheus(folder, port) as found:
                until(lambda: found.query("sum(up) == 2"), "both that run were scraped")
                live_a_little(service, found)
                yield found
    finally:
        shutil.rmtree(folder)


def live_a_little(service: Service, prometheus: Prometheus) -> None:
    with steady_traffic(service.url, clients=3) as traffic:
        service.does("deploy", DeployRequest(model=None, settings={"model.slots": 2}))
        traffic.goes_on(20)
    fail_to_deploy(service)
    hold_a_request(service)
    until(lambda: prometheus.query("modelsvc_edge_replayed_total > 0"), "the held request was counted")
    until(lambda: prometheus.query("service:modelsvc_edge_errors:ratio5m >= 0"), "the rules were computed")


def fail_to_deploy(service: Service) -> None:
    with service.watching("deploy") as events:
        passed(events, "start_standby", "done")
        standby = service.status().workers[other(service.status().active)]
        assert standby.pid
        os.kill(standby.pid, signal.SIGKILL)
        assert [*events][-1]["outcome"] == "rolled_back"


def hold_a_request(service: Service) -> None:
    service.does("pause")
    held = threading.Thread(target=lambda: service.chat("Hello, my name is Ada."))
    held.start()
    service.sees(lambda status: status.edge.waiting == 1, "a request is held")
    service.does("resume")
    held.join()


@needs_prometheus
def test_every_query_returns_data(prometheus: Prometheus) -> None:
    """A renamed metric or label would leave a panel empty, and nobody would notice before it is needed."""
    for where, expression in queries():
        wanted = filled_in(expression)
        if where.startswith("annotation") and "last_success" not in expression:
            wanted = f"max_over_time(({wanted})[10m:1s])"  # it is over by now
        assert has_data(prometheus, wanted), f"{where}: {wanted} returns nothing"


@needs_prometheus
def test_every_recording_rule_has_values(prometheus: Prometheus) -> None:
    for name in rules():
        assert has_data(prometheus, name), f"{name} has no value"


@needs_prometheus
def test_the_colour_can_be_chosen(prometheus: Prometheus) -> None:
    """The template's variable."""
    (variable,) = (each for each in DASHBOARD["templating"]["list"] if each["type"] == "query")
    series, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"]).groups()  # type: ignore[union-attr]

    assert prometheus.labels(label, series) == ["blue", "green"]
    assert variable["query"]["query"] == variable["definition"]


@needs_prometheus
def test_a_query_for_what_is_not_there_returns_nothing(prometheus: Prometheus) -> None:
    """The tests above can fail; and so they do for what is no expression."""
    assert not has_data(prometheus, "modelsvc_requests_per_colour_total")
    assert not has_data(prometheus, "histogram_quantile(0.5, 0 * modelsvc_edge_request_duration_seconds_bucket)")
    with pytest.raises(AssertionError, match="parse error"):
        prometheus.query("sum by (")


@needs_prometheus
def test_no_alert_fires_for_a_standby_that_nobody_wants(prometheus: Prometheus) -> None:
    """Nothing of the ordinary is an alert: a deployment, a held request, the second colour down before it."""
    fired = prometheus.query('max_over_time(ALERTS{alertstate="firing"}[10m])')
    assert [sample["metric"]["alertname"] for sample in fired] == []


@needs_prometheus
def test_one_line_for_each_colour_tells_what_it_does(prometheus: Prometheus) -> None:
    """By a number for every phase, 10 more for the one that the edge routes to; each is told in words."""
    (panel,) = (each for each in panels() if each["title"] == "Colours")
    (expression,) = (target["expr"] for target in panel["targets"])
    (mapping,) = panel["fieldConfig"]["defaults"]["mappings"]
    numbered = dict(re.findall(r'state="(\w+)"} \* (\d)', expression)) | {"absent": "0"}

    assert set(numbered) == set(Phase) and set(mapping["options"]) == {str(n) for n in (*range(6), *range(10, 16))}
    shown = {sample["metric"]["color"]: sample["value"][1] for sample in prometheus.query(expression)}
    assert set(shown) == {"blue", "green"}
    assert [mapping["options"][value]["text"] for value in shown.values()].count("serves") == 1


def test_there_is_a_row_for_each_part() -> None:
    assert [panel["title"] for panel in panels() if panel["type"] == "row"] == ["Service", "Engine", "Edge"]


def test_panels_have_places_of_their_own() -> None:
    """Grafana would push them about otherwise."""
    taken: dict[tuple[int, int], str] = {}
    for panel in panels():
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert x < 24 and (x, y) not in taken, (panel["title"], taken.get((x, y)))
                taken[x, y] = panel["title"]


def test_everything_asks_the_chosen_prometheus() -> None:
    """A fixed datasource would be missing elsewhere."""
    wanted = {"type": "prometheus", "uid": "${datasource}"}
    found = [panel for panel in panels() if panel["type"] != "row"] + DASHBOARD["annotations"]["list"]
    found += [target for panel in panels() for target in panel.get("targets", [])]

    assert all(each["datasource"] == wanted for each in found)
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_what_is_provisioned_is_there() -> None:
    """By the names in the environment that `monitor grafana` tells."""
    provisioning = files.GRAFANA / "provisioning"
    assert "url: $MODELSVC_PROMETHEUS_URL" in (provisioning / "datasources" / "modelsvc.yml").read_text()
    assert "path: $MODELSVC_DASHBOARDS" in (provisioning / "dashboards" / "modelsvc.yml").read_text()
    assert httpx.URL(f"http://x/d/{DASHBOARD['uid']}").path == "/d/modelsvc"
