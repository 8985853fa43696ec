"""`ctl memory` and `ctl deploy --plan`: the ledger for people and for programs."""

import json

from msgspec.structs import replace
from tests.cli.conftest import Run
from tests.cli.scripted import Script

from supervisor.protocol import (
    AccountReport,
    AccountRow,
    ExitCode,
    ForecastReport,
    MemoryReport,
    ModelReport,
    ObservationReport,
    Plan,
    ProcessReport,
)

MB = 10**6
FORECAST = ForecastReport(
    private_bytes=475 * MB,
    kv_bytes=400 * MB,
    compute_bytes=35 * MB,
    base_bytes=60 * MB,
    correction_bytes=-20 * MB,
    weights_bytes=1055 * MB,
    basis="same model, measured 2 time(s)",
)
ROWS = [AccountRow(what="supervisor", bytes=60 * MB), AccountRow(what="standby: KV cache", bytes=400 * MB)]


def plan(limit_mb: int) -> Plan:
    short = max(0, 460 - limit_mb)
    return Plan(
        admitted=not short,
        code="memory_short" if short else "",
        reason=f"it is short of {short} MB\n  the table" if short else "",
        release=8,
        model_path="/m/new.gguf",
        model_sha256="ab" * 32,
        settings={"slots": 2},
        changed={"slots": [4, 2]},
        in_place=False,
        forecast=FORECAST,
        account=AccountReport(
            rows=ROWS, sum_bytes=460 * MB, limit="memory.budget_gb", limit_bytes=limit_mb * MB, short_bytes=short * MB
        ),
    )


MEMORY = MemoryReport(
    budget_bytes=8000 * MB,
    used_bytes=1700 * MB,
    shared_bytes=1055 * MB,
    available_bytes=3000 * MB,
    available_of="the machine",
    processes=[
        ProcessReport(
            who="edge", pids=[7, 8], rss_bytes=14 * MB, uss_bytes=2 * MB, private_bytes=1 * MB, pss_bytes=3 * MB
        ),
        ProcessReport(
            who="blue", pids=[9], rss_bytes=1550 * MB, uss_bytes=1526 * MB, private_bytes=472 * MB, pss_bytes=None
        ),
    ],
    models=[ModelReport(name="new.gguf", size_bytes=1055 * MB, mapped_by=["blue", "green"])],
    forecast=FORECAST,
    observations=[
        ObservationReport(
            model_sha256="ab" * 32,
            architecture="llama",
            settings={"slots": 4, "kv_cache": "f16"},
            package_version="0.1.0",
            formula_bytes=495 * MB,
            measured_bytes=472 * MB,
        )
    ],
)


def test_a_plan_that_would_be_admitted(daemon: Script, run: Run) -> None:
    """What it would be, the forecast, the table; it is asked of the plan's address only."""
    daemon.reply("POST /v1/plan", plan(8000))
    result = run("ctl", "deploy", "--set", "model.slots=2", "--in-place", "--plan")

    assert result.exit_code == ExitCode.DONE
    assert [asked.path for asked in daemon.asked] == ["/v1/plan"]
    assert daemon.asked[0].body == {"model": None, "settings": {"model.slots": 2}, "in_place": True, "fast": False}
    lines = result.stdout.splitlines()
    assert lines[0] == "release 8 would be new.gguf (abababababab)"
    assert "  slots: 4 -> 2" in lines
    assert any(line.startswith("forecast: 475 MB of its own") and "-20 MB as measured before" in line for line in lines)
    assert ["left", "7,540", "MB"] in [line.split() for line in lines]
    assert lines[-1] == "it would be admitted; nothing was changed"
    assert result.stderr == ""


def test_a_plan_that_would_be_refused(daemon: Script, run: Run) -> None:
    """With the exit code of the refusal, and its message on stderr."""
    daemon.reply("POST /v1/plan", plan(450))
    result = run("ctl", "deploy", "--plan")

    assert result.exit_code == ExitCode.REFUSED
    assert ["short", "of", "10", "MB"] in [line.split() for line in result.stdout.splitlines()]
    assert result.stderr == "modelsvc: it is short of 10 MB\n  the table\n"


def test_a_plan_for_programs(daemon: Script, run: Run) -> None:
    """The numbers as they are."""
    daemon.reply("POST /v1/plan", plan(450))
    result = run("ctl", "deploy", "--plan", "--json")

    assert result.exit_code == ExitCode.REFUSED
    told = json.loads(result.stdout)
    assert (told["admitted"], told["account"]["short_bytes"], told["forecast"]["kv_bytes"]) == (
        False,
        10 * MB,
        400 * MB,
    )


def test_a_model_that_cannot_be_served_is_told_as_a_deployment_would(daemon: Script, run: Run) -> None:
    """The daemon refuses to plan it."""
    daemon.refuse("POST /v1/plan", "refused", "the model is made of straw", 409)
    result = run("ctl", "deploy", "--plan")

    assert result.exit_code == ExitCode.REFUSED
    assert "made of straw" in result.stderr


def test_memory_of_each_process_and_each_file_once(daemon: Script, run: Run) -> None:
    """What is not known is a dash."""
    daemon.reply("GET /v1/memory", MEMORY)
    result = run("ctl", "memory")
    lines = [line.split() for line in result.stdout.splitlines()]

    assert result.exit_code == ExitCode.DONE
    assert ["process", "RSS", "USS", "private", "PSS"] in lines
    assert ["edge", "(2", "processes)", "14", "MB", "2", "MB", "1", "MB", "3", "MB"] in lines
    assert ["blue", "(pid", "9)", "1,550", "MB", "1,526", "MB", "472", "MB", "-"] in lines
    assert ["new.gguf", "1,055", "MB", "blue", "and", "green"] in lines
    assert "budget: 1,700 MB of 8,000 MB used, 1,055 MB of it model files; 6,300 MB left" in result.stdout
    assert "the machine can give 3,000 MB more" in result.stdout
    assert "by same model, measured 2 time(s)" in result.stdout
    assert ["abababababab", "kv_cache", "f16,", "slots", "4", "495", "MB", "472", "MB"] in lines


def test_equal_measurements_are_one_row(daemon: Script, run: Run) -> None:
    """With how many they are."""
    daemon.reply("GET /v1/memory", replace(MEMORY, observations=MEMORY.observations * 3))
    lines = [line.split() for line in run("ctl", "memory").stdout.splitlines()]
    rows = [line for line in lines if line[0] == "abababababab"]
    assert [row[-4:] for row in rows] == [["472", "MB,", "3", "times"]]


def test_memory_for_programs(daemon: Script, run: Run) -> None:
    """As it came."""
    daemon.reply("GET /v1/memory", MEMORY)
    assert json.loads(run("ctl", "memory", "--json").stdout)["processes"][1]["pss_bytes"] is None
