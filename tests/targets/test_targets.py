"""Every target of the Makefile, run by the real `make` on one real service; what is looked at is what it did.

Each makes by itself what it needs to find. Those that work on the checkout are tried in tests/targets/test_checkout.py.
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from disposable.waiting import until
from tests.ci.test_make import OF_CI
from tests.support.service_fixture import ROOT
from tests.targets.bench import NO_SETUP, Bench, benched, environment
from tests.targets.test_checkout import OF_THE_CHECKOUT

Try = Callable[[Bench], None]
TRIED: dict[str, Try] = {}
NEEDS_PROMETHEUS = {"up-full", "prom-targets", "prom-check"}


def tried(function: Try) -> Try:
    TRIED[function.__name__.removeprefix("make_").replace("_", "-")] = function
    return function


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with benched(tmp_path_factory.mktemp("results")) as bench:
        yield bench


# --- run --------------------------------------------------------------------------------------------------------------


@tried
def make_run(bench: Bench) -> None:
    """Serves in the foreground; Ctrl-C, which the whole group gets, ends all of it."""
    bench.make("stop")
    command = ["make", *NO_SETUP, "run"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(bench.service.env), start_new_session=True, stderr=subprocess.PIPE
    ) as process:
        until(bench.runs, "the service serves")
        assert bench.service.chat("Hello!").is_success
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=40)
    assert bench.service.ctl("status").code == 3


@tried
def make_up(bench: Bench) -> None:
    bench.make("stop")
    assert bench.service.url in bench.make("up").err
    assert bench.service.chat("Hello!").is_success


@tried
def make_stop(bench: Bench) -> None:
    bench.serving("blue")
    bench.make("stop")
    assert bench.service.ctl("status").code == 3
    assert "nothing" in bench.make("stop").out


@tried
def make_logs(bench: Bench) -> None:
    bench.serving("blue")
    assert len(bench.make("logs", ARGS="blue -n 1").out.splitlines()) == 1
    assert '"RequestEnded"' in bench.make("logs").out


@tried
def make_logs_all(bench: Bench) -> None:
    bench.serving("blue")
    sources = {line.partition(" ")[0] for line in bench.make("logs-all", ARGS="-n 10000").out.splitlines()}
    assert {"supervisor", "blue"} <= sources


@tried
def make_health(bench: Bench) -> None:
    bench.serving("blue")
    assert re.search(r"^color +blue$", bench.make("health").out, re.MULTILINE)


@tried
def make_chat(bench: Bench) -> None:
    """Whatever is in the message."""
    bench.serving("blue")
    bench.make("chat", MESSAGE="""My name is Ada; it's "Ada".""", ARGS="--user make")
    (asked, _) = bench.service.get("/chat/make").json()["messages"]
    assert asked["content"] == """My name is Ada; it's "Ada"."""


@tried
def make_memory(bench: Bench) -> None:
    bench.serving("blue")
    assert "blue" in bench.make("memory").out


@tried
def make_mem(bench: Bench) -> None:
    bench.serving("blue")
    assert "blue" in bench.make("mem").out


@tried
def make_reset(bench: Bench) -> None:
    """Asks first; models stay unless they are named."""
    service = bench.serving("blue")
    model = service.state.models / ("a" * 64) / "m.gguf"
    model.parent.mkdir(parents=True, exist_ok=True)
    model.touch()
    refused = bench.tries("reset")
    assert refused.code != 0 and "--yes" in refused.err and service.status()
    bench.make("reset", YES="1")
    assert [path.name for path in service.state.root.iterdir()] == ["models"]
    bench.make("reset", YES="1", MODELS="1")
    assert not service.state.root.exists()


# --- two colours ------------------------------------------------------------------------------------------------------


@tried
def make_start_green(bench: Bench) -> None:
    bench.serving("blue")
    bench.make("start-green")
    assert bench.service.get("/ready", "green").is_success and bench.active() == "blue"


@tried
def make_stop_green(bench: Bench) -> None:
    bench.serving("blue", other=True)
    bench.make("stop-green")
    assert {str(color): worker.state for color, worker in bench.service.status().workers.items()}["green"] == "absent"


@tried
def make_swap_to_green(bench: Bench) -> None:
    """Twice is once."""
    bench.serving("blue", other=True)
    count = len(bench.kinds())
    bench.make("swap-to-green")
    assert "green serves already" in bench.make("swap-to-green").out
    assert bench.service.get("/healthz").headers["x-modelsvc-color"] == "green" and len(bench.kinds()) == count + 1


@tried
def make_swap_to_blue(bench: Bench) -> None:
    bench.serving("green", other=True)
    bench.make("swap-to-blue")
    assert bench.service.get("/healthz").headers["x-modelsvc-color"] == "blue"


@tried
def make_which_active(bench: Bench) -> None:
    bench.serving("green")
    assert bench.make("which-active").out == "green\n"


@tried
def make_demo_swap(bench: Bench) -> None:
    """Each swap with the colours that answered, and the sum."""
    bench.serving("blue")
    said = bench.make("demo-swap", SWAPS="2", CLIENTS="2", DWELL="0.3").out
    assert re.search(r"^swap green +succeeded .* 0  blue \d+, green \d+$", said, re.MULTILINE)
    assert re.search(r"^0 of [1-9]\d* requests failed .*; the conversation went on$", said, re.MULTILINE)
    assert bench.active() == "blue" and bench.kinds()[:2] == ["swap", "swap"]


@tried
def make_test_zero_downtime(bench: Bench) -> None:
    bench.serving("blue")
    said = bench.make("test-zero-downtime", SWAPS="3", DWELL="0.2").out
    assert said.count("\nswap ") == 3 and re.search(r"^0 of [1-9]\d* requests failed", said, re.MULTILINE)


@tried
def make_test_inference(bench: Bench) -> None:
    bench.serving("blue")
    said = bench.make("test-inference").out
    assert said.count(" right ") == 5 and "WRONG" not in said


# --- deploy -----------------------------------------------------------------------------------------------------------


@tried
def make_deploy(bench: Bench) -> None:
    """With settings; a plan changes nothing."""
    bench.serving("blue")
    bench.make("deploy", SET="model.slots=3 model.queue_limit=9")
    release = bench.service.status().release
    assert release and (release.settings["slots"], release.settings["queue_limit"]) == (3, 9)
    bench.make("deploy", ARGS="--plan")
    assert bench.service.status().release == release


@tried
def make_state(bench: Bench) -> None:
    bench.serving("blue")
    assert re.search(r"^active +blue, release", bench.make("state").out, re.MULTILINE)


@tried
def make_history(bench: Bench) -> None:
    bench.serving("blue", other=True)
    bench.service.does("swap")
    assert re.search(r"^\d+ +swap +blue -> green +\d+ +succeeded", bench.make("history").out, re.MULTILINE)


def deployed(bench: Bench, color: str) -> int:
    """Another release, brought to that colour; the release that served before."""
    service = bench.serving(color).status()
    assert service.release and bench.service.ctl("deploy").code == 0
    return service.release.number


def served_again(bench: Bench, release: int, color: str) -> None:
    now = bench.service.status()
    assert now.release and (now.release.number, now.active) == (release, color)
    assert bench.kinds()[0] == "rollback"


@tried
def make_rollback(bench: Bench) -> None:
    before = deployed(bench, "blue")
    bench.make("rollback")
    served_again(bench, before, "blue")


@tried
def make_rollback_blue(bench: Bench) -> None:
    """Twice is once."""
    before = deployed(bench, "blue")
    bench.make("rollback-blue")
    bench.make("rollback-blue")
    served_again(bench, before, "blue")


@tried
def make_rollback_green(bench: Bench) -> None:
    before = deployed(bench, "green")
    bench.make("rollback-green")
    served_again(bench, before, "green")


@tried
def make_deploy_log(bench: Bench) -> None:
    """The story, and the log lines of its time."""
    deployed(bench, "blue")
    said = bench.make("deploy-log").out
    number = bench.service.history()[0].deployment
    assert f"deployment {number}: deploy blue -> green, succeeded" in said
    assert re.search(rf'^supervisor \| {{.*"deployment": {number}, .*RequestEnded', said, re.MULTILINE)


@tried
def make_test_deploy(bench: Bench) -> None:
    before = bench.serving("blue").status().release
    said = bench.make("test-deploy", SET="model.slots=2", DWELL="0.2").out
    after = bench.service.status().release
    assert re.search(r"^0 of [1-9]\d* requests failed", said, re.MULTILINE)
    assert before and after and after.number > before.number and after.settings["slots"] == 2


@tried
def make_test_full_cycle(bench: Bench) -> None:
    bench.serving("blue")
    said = bench.make("test-full-cycle", DWELL="0.2").out
    assert re.search(r"^0 of [1-9]\d* requests failed", said, re.MULTILINE) and said.count(" succeeded ") == 4
    assert bench.kinds()[:4] == ["deploy", "prewarm", "rollback", "deploy"]


# --- prewarm ----------------------------------------------------------------------------------------------------------


@tried
def make_prewarm(bench: Bench) -> None:
    bench.serving("blue")
    bench.make("prewarm", SET="model.slots=2")
    assert bench.service.status().prewarmed and bench.active() == "blue"


@tried
def make_deploy_fast(bench: Bench) -> None:
    """To what was prewarmed; refused when nothing was."""
    bench.serving("blue")
    assert bench.service.ctl("prewarm").code == 0
    prewarmed = bench.service.status().prewarmed
    bench.make("deploy-fast")
    now = bench.service.status()
    assert now.release and (now.release.number, now.active) == (prewarmed, "green")
    assert bench.tries("deploy-fast").code != 0


@tried
def make_prewarm_and_deploy(bench: Bench) -> None:
    bench.serving("blue")
    bench.make("prewarm-and-deploy")
    assert bench.kinds()[:2] == ["deploy", "prewarm"] and bench.active() == "green"


@tried
def make_prewarm_status(bench: Bench) -> None:
    bench.serving("blue")
    assert bench.service.ctl("prewarm").code == 0
    assert f"release {bench.service.status().prewarmed} is prewarmed" in bench.make("prewarm-status").out


# --- monitor ----------------------------------------------------------------------------------------------------------


@tried
def make_up_full(bench: Bench) -> None:
    bench.make("stop")
    bench.make("up-full")
    monitor = bench.service.status().monitor
    assert bench.active() and monitor and monitor.state == "running"


@tried
def make_prom_targets(bench: Bench) -> None:
    bench.serving("blue")
    bench.service.client.monitor_up()
    assert (
        bench.service.tables["control"]["metrics_listen"]
        in until(
            lambda: [out for out in [bench.tries("prom-targets").out] if "http" in out], "Prometheus has its targets"
        )[0]
    )


@tried
def make_prom_check(bench: Bench) -> None:
    bench.serving("blue")
    assert "SUCCESS" in bench.make("prom-check").out


@tried
def make_grafana(bench: Bench) -> None:
    bench.serving("blue")
    assert "GF_PATHS_PROVISIONING=" in bench.make("grafana", ARGS="--url http://127.0.0.1:9").out


@tried
def make_deploy_monitored(bench: Bench) -> None:
    bench.serving("blue")
    said = bench.make("deploy-monitored").out
    assert bench.active() == "green" and "succeeded" in said
    (folder,) = bench.results.glob("*-monitored")
    assert (folder / "report.md").read_text() in said


@tried
def make_generate_traffic(bench: Bench) -> None:
    bench.serving("blue")
    bench.make("generate-traffic", DURATION="1", USERS="4")
    assert (result(bench, "traffic") / "requests.csv").read_text().count("\n") > 1


# --- load tests -------------------------------------------------------------------------------------------------------


def result(bench: Bench, kind: str) -> Path:
    """The latest one's folder."""
    return sorted(bench.results.glob(f"*-{kind}"))[-1]


@tried
def make_install_locust(bench: Bench) -> None:
    assert re.match(r"locust \d", bench.make("install-locust").out)


@tried
def make_test_baseline(bench: Bench) -> None:
    """On the running service, for its URL is given."""
    bench.serving("blue")
    said = bench.make("test-baseline", DURATION="1", USERS="4", URL=bench.service.url).out
    assert re.search(r"0 of [1-9]\d* requests failed", said)
    assert (result(bench, "baseline") / "report.html").is_file()


@tried
def make_test_deploy_load(bench: Bench) -> None:
    bench.serving("blue")
    bench.make("test-deploy-load", DURATION="1", USERS="4", URL=bench.service.url)
    assert bench.kinds()[0] == "deploy" and bench.active() == "green"
    assert (result(bench, "deploy") / "report.html").is_file()


@tried
def make_test_prewarm(bench: Bench) -> None:
    bench.serving("blue")
    bench.make("test-prewarm", DURATION="1.5", USERS="4", URL=bench.service.url)
    assert bench.kinds()[:2] == ["deploy", "prewarm"] and bench.active() == "green"


def measured(bench: Bench) -> Path:
    """A load test there is."""
    if not [*bench.results.glob("*-baseline")]:
        bench.serving("blue")
        bench.make("test-baseline", DURATION="1", USERS="2", URL=bench.service.url)
    return result(bench, "baseline")


@tried
def make_report(bench: Bench) -> None:
    """Of the one that is named."""
    folder = measured(bench)
    (folder / "report.html").unlink()
    bench.make("report", RESULT=folder.name)
    assert (folder / "report.html").is_file()


@tried
def make_open_report(bench: Bench) -> None:
    """With the user's browser."""
    folder, opened = measured(bench), bench.results / "opened"
    browser = bench.results / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > "{opened}"\n')
    browser.chmod(0o755)
    bench.service.environment["BROWSER"] = str(browser)
    bench.make("open-report", RESULT=folder.name)
    until(opened.exists, "the browser was called")
    assert until(opened.read_text, "it was told what to open").strip().endswith(f"{folder.name}/report.html")


@tried
def make_results(bench: Bench) -> None:
    assert measured(bench).name in bench.make("results").out


# --- all --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", TRIED)
def test_the_target_does_what_it_says(bench: Bench, target: str) -> None:
    """Seen at the service, not only by its exit code."""
    if target in NEEDS_PROMETHEUS and shutil.which("prometheus") is None:
        pytest.skip("no Prometheus here")
    TRIED[target](bench)


def test_no_target_is_left_out() -> None:
    """Whoever adds one adds its test here, in test_checkout.py, or with what CI runs."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert targets == {*TRIED, *OF_THE_CHECKOUT, *OF_CI}


def test_a_failed_request_fails_the_target(bench: Bench) -> None:
    """The control case: while nobody serves, `make test-zero-downtime` cannot do well."""
    bench.serving("blue")
    assert bench.service.ctl("stop", "blue", "--force").code == 0
    assert bench.tries("test-zero-downtime", SWAPS="1").code != 0
    assert bench.tries("test-inference").code != 0
    assert bench.service.ctl("start", "blue").code == 0
