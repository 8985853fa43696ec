"""What checks make of what they see, without looking: machines that are not at hand."""

import resource
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from tests.cli import samples

from modelsvc import __version__
from modelsvc.doctor import clock, daemon, disk, llama, memory, model, nginx, open_files, processors, python, service
from modelsvc.doctor.findings import Finding
from modelsvc.doctor.situation import Situation, usable
from modelsvc.service import ServiceState
from supervisor.config import Config, MemorySection, ModelSection
from supervisor.core.account import Machine, Mapped
from supervisor.core.ledger import Forecast, ModelShape
from supervisor.nginx.config import NginxBuild
from supervisor.paths import StatePaths
from supervisor.protocol import Color, LastExit, Outcome

SYSTEM_INFO = "CPU : SSE3 = 1 | AVX = 1 | AVX2 = 1 | FMA = 1 | F16C = 1 | AVX512 = 0 | OPENMP = 1 | "
AVX2 = {"SSE3", "AVX", "AVX2", "FMA", "F16C"}
DAY_S = 86_400.0
GB = 10**9


def codes(findings: Iterable[Finding]) -> list[str]:
    return [finding.code for finding in findings]


def build(system_info: str = SYSTEM_INFO, mmap: bool = True, gpu_offload: bool = False) -> llama.Build:
    return llama.Build("0.3.36", system_info, mmap, gpu_offload)


# --- llama.cpp --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "processor", "layers", "apple", "expected"),
    [
        (build(), AVX2, "auto", False, ["llama_ok"]),
        (build(), AVX2 - {"AVX2"}, "auto", False, ["llama_for_another_cpu"]),
        (build(), AVX2 | {"AVX512"}, "auto", False, ["llama_slower"]),
        (build(), set(), "auto", False, ["llama_ok"]),  # nobody could ask the processor
        (build(mmap=False), AVX2, "auto", False, ["llama_no_mmap"]),
        (build("CPU : NEON = 1 | "), {"NEON"}, "auto", True, ["llama_no_gpu"]),
        (build("MTL : EMBED_LIBRARY = 1 | CPU : NEON = 1 | ", gpu_offload=True), {"NEON"}, "auto", True, ["llama_ok"]),
        (build(), AVX2, 20, False, ["llama_no_gpu"]),
        (build(), AVX2, 0, False, ["llama_ok"]),
    ],
)
def test_a_build_of_llama_cpp(
    found: llama.Build, processor: set[str], layers: str | int, apple: bool, expected: list[str]
) -> None:
    """A set it uses and the processor lacks ends workers; one it could use costs speed; Metal is missed on a Mac."""
    config = Config(model=ModelSection.model_validate({"gpu_layers": layers}))
    assert codes(llama.judge(found, processor, config, apple)) == expected


def test_what_linux_tells_of_processors() -> None:
    intel = "processor : 0\nflags\t\t: fpu pni ssse3 avx avx2 fma f16c bmi2\n"
    arm = "processor\t: 0\nFeatures\t: fp asimd asimdhp asimddp i8mm\n"
    assert processors.of_cpuinfo(intel) == {"SSE3", "SSSE3", "AVX", "AVX2", "FMA", "F16C", "BMI2"}
    assert processors.of_cpuinfo(arm) == {"NEON", "ARM_FMA", "FP16_VA", "DOTPROD", "MATMUL_INT8"}


def test_what_macos_tells_of_processors() -> None:
    silicon = "hw.optional.neon: 1\nhw.optional.arm.FEAT_DotProd: 1\nhw.optional.arm.FEAT_SME: 0\n"
    intel = "machdep.cpu.features: FPU SSE3 SSSE3 AVX1.0 F16C FMA\nmachdep.cpu.leaf7_features: AVX2 BMI2\n"
    assert processors.of_sysctl(silicon) == {"NEON", "ARM_FMA", "DOTPROD"}
    assert processors.of_sysctl(intel) == {"SSE3", "SSSE3", "AVX", "F16C", "FMA", "AVX2", "BMI2"}


def test_this_machine_has_what_its_build_uses() -> None:
    """The tables name features as llama.cpp and the system do."""
    situation = Situation(StatePaths(Path("/nowhere")))
    (finding,) = llama.check(situation)
    assert finding.code in ("llama_ok", "llama_slower"), finding


# --- nginx ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (NginxBuild((1, 15, 2)), ["nginx_too_old"]),
        (NginxBuild((1, 15, 3)), ["nginx_ok"]),
        (NginxBuild((1, 29, 0), stub_status=False), ["nginx_ok", "nginx_no_stub_status"]),
    ],
)
def test_a_version_of_nginx(found: NginxBuild, expected: list[str]) -> None:
    assert codes(nginx.judge("/usr/sbin/nginx", found)) == expected


def test_which_lossless_reload_an_nginx_has() -> None:
    new, old = (next(iter(nginx.judge("nginx", NginxBuild(version)))) for version in ((1, 27, 4), (1, 27, 3)))
    assert "lose nothing by keepalive_min_timeout" in new.seen and "retiring" in old.seen


# --- the machine ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("free_bytes", "free_files", "expected"),
    [
        (49_000_000, 100, "disk_full"),
        (10 * GB, 0, "disk_full"),
        (10 * GB, None, "disk_ok"),
        (2 * GB, 100, "disk_no_second_model"),
    ],
)
def test_room_on_the_disk(free_bytes: int, free_files: int | None, expected: str) -> None:
    """Two models of 2 GB, and logs that may grow by 0.2 GB."""
    assert disk.judge(disk.Room(Path("/s"), free_bytes, free_files), GB // 5, 2 * GB).code == expected


def test_logs_that_have_grown_need_less(tmp_path: Path) -> None:
    paths = StatePaths(tmp_path)
    whole = disk.log_growth_bytes(paths)
    paths.logs.mkdir()
    (paths.logs / "supervisor.log.1").write_bytes(bytes(1000))
    assert disk.log_growth_bytes(paths) == whole - 1000


@pytest.mark.parametrize(
    ("soft", "hard", "expected"),
    [
        (1024, 524_288, "open_files_ok"),
        (256, resource.RLIM_INFINITY, "open_files_ok"),  # as on macOS; the supervisor raises it
        (1024, 4096, "open_files_few"),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, "open_files_ok"),
    ],
)
def test_limits_of_open_files(soft: int, hard: int, expected: str) -> None:
    assert open_files.judge(soft, hard).code == expected


@pytest.mark.parametrize(
    ("newest", "installed", "expected"),
    [
        (None, 0.0, []),
        (100.0 + DAY_S, 100.0, []),
        (2 * DAY_S, 100.0, ["clock_behind_journal"]),
        (None, 2 * DAY_S, ["clock_behind_package"]),
    ],
)
def test_a_clock(newest: float | None, installed: float, expected: list[str]) -> None:
    """It is the first day, a little later than the newest entry by at most the tolerated minute."""
    assert codes(clock.judge(50.0 + DAY_S, newest, installed)) == expected


# --- memory -----------------------------------------------------------------------------------------------------------

NEEDED = Forecast(kv_bytes=GB, compute_bytes=0, base_bytes=0, weights_bytes=2 * GB)
MODEL = Mapped((1, 2), "m.gguf", 2 * GB)


def machinery(
    available_gb: float, own_gb: float = 0, counts_mapped: bool = True, swap_gb: float = 0
) -> memory.Machinery:
    available = Machine(round(available_gb * GB), counts_mapped)
    return memory.Machinery(16 * GB, "this machine", available, round(own_gb * GB), round(swap_gb * GB), 8 * GB)


@pytest.mark.parametrize(
    ("budget_gb", "worker_gb", "machine", "expected"),
    [
        (8.0, 2.0, machinery(8), "memory_ok"),  # 2 for the model, 1 for each worker, 0.06 for the rest
        (4.0, 2.0, machinery(8), "memory_only_in_place"),
        (3.0, 2.0, machinery(8), "memory_short"),
        (8.0, 0.9, machinery(8), "memory_short"),
        (8.0, 2.0, machinery(4), "memory_only_in_place"),
        (8.0, 2.0, machinery(3), "memory_short"),
        (8.0, 2.0, machinery(3, own_gb=1.1), "memory_ok"),  # what a running service holds is not short of itself
    ],
)
def test_two_workers_in_budget_and_machine(
    budget_gb: float, worker_gb: float, machine: memory.Machinery, expected: str
) -> None:
    config = Config(memory=MemorySection(budget_gb=budget_gb, worker_limit_gb=worker_gb))
    assert memory.judge(config, NEEDED, MODEL, machine).code == expected


@pytest.mark.parametrize(("kv_cache", "told"), [("f16", True), ("q8_0", False)])
def test_a_smaller_cache_is_a_mend_where_it_is_not_set_already(kv_cache: Literal["f16", "q8_0"], told: bool) -> None:
    config = Config(memory=MemorySection(budget_gb=3.0), model=ModelSection(kv_cache=kv_cache))
    assert ("kv_cache" in memory.judge(config, NEEDED, MODEL, machinery(8)).mend) is told


def test_pages_of_files_count_where_the_system_does_not_give_them() -> None:
    """macOS leaves those of the mapped model out of what is available, for whoever maps it."""
    config = Config()
    assert memory.judge(config, NEEDED, MODEL, machinery(4.1, counts_mapped=False)).code == "memory_ok"
    assert memory.judge(config, NEEDED, MODEL, machinery(4.0, counts_mapped=False)).code == "memory_only_in_place"


def test_a_machine_that_swaps() -> None:
    """More than a tenth of its memory."""
    assert codes(memory.judge_machine(Config(), machinery(8, swap_gb=1.7))) == ["swap_used"]
    assert codes(memory.judge_machine(Config(), machinery(8, swap_gb=1.5))) == ["swap_ok"]


# --- model, package, daemon -------------------------------------------------------------------------------------------


def test_a_context_that_the_model_was_not_trained_for() -> None:
    """All slots share it, so it may be that much for each."""
    shape = ModelShape.from_facts({"architecture": "llama", "size_bytes": GB, "context_length": 2048})
    for tokens, expected in ((8192, "model_ok"), (8193, "model_context_beyond_training")):
        config = Config(model=ModelSection(context_tokens=tokens, slots=4))
        assert codes(model.judge(Situation(StatePaths(Path("/nowhere")), config=config), shape)) == [expected]


def test_packages_that_are_missing() -> None:
    """Those of extras are nobody's need."""
    requirements = ["click>=8.1", "no-such-package>=1 ; python_version > '3'", 'other-absent ; extra == "dev"']
    assert python.missing_packages(requirements) == ["no-such-package"]


def test_a_release_of_an_older_package() -> None:
    assert codes(python.judge_release("0.0.1")) == ["package_older_release"]
    assert codes(python.judge_release(__version__)) == codes(python.judge_release(None)) == []


def test_wrong_keys_are_taken_out_and_the_others_count() -> None:
    """Of an array of tables, all of it."""
    values = {"edge": {"hold_limit": 0}, "gate": [{"prompt": ""}], "workers": {"blue_port": 8005}, "what": {"a": 1}}
    config, problems = usable(values, None)
    assert (config.edge.hold_limit, config.gate, config.workers.blue_port) == (64, [], 8005)
    assert len(problems) == 3 and values["edge"] == {"hold_limit": 0}


def test_what_a_daemon_knows_to_be_wrong() -> None:
    """Each trouble of the status is a finding with the command that mends it."""
    sound = msgspec.structs.replace(samples.STATUS, version=__version__, config=None, deployment=None)
    worker = sound.workers[Color.BLUE]
    dead = msgspec.structs.replace(worker, state="failed", last_exit=LastExit(at="", code=None, signal="SIGSEGV"))
    silent = msgspec.structs.replace(worker, progress="does not answer")
    edge = sound.edge

    def told(**changes: object) -> list[str]:
        return codes(daemon.judge(msgspec.structs.replace(sound, **changes), None, None))[1:]

    assert told() == []
    assert told(version="0.0.1") == ["daemon_other_version"]
    assert told(config="/elsewhere.toml") == ["daemon_other_config"]
    assert told(workers={Color.BLUE: dead}) == ["worker_given_up"]
    assert told(workers={Color.BLUE: silent}) == ["worker_silent"]
    assert told(active=None) == ["nobody_serves"]
    assert told(active=None, deployment=samples.CURRENT) == []  # it is on its way
    assert told(edge=msgspec.structs.replace(edge, pid=None)) == ["edge_absent"]
    assert told(edge=msgspec.structs.replace(edge, paused=True, waiting=2)) == ["requests_paused"]
    assert told(edge=msgspec.structs.replace(edge, waiting=2)) == ["requests_waiting"]


def test_a_latest_deployment_that_failed() -> None:
    failed = msgspec.structs.replace(samples.PAST, outcome=Outcome.ROLLED_BACK, reason="it said 41")
    sound = msgspec.structs.replace(samples.STATUS, version=__version__, config=None)
    *_, finding = daemon.judge(sound, failed, None)
    assert finding.code == "last_deployment_failed"
    assert "it said 41" in finding.seen and "ctl explain 3" in finding.mend


UNIT = (Path("/u/modelsvc.service"),)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (ServiceState("none", problem="this is no systemd"), ["service_absent"]),
        (ServiceState("systemd"), ["service_absent"]),
        (ServiceState("systemd", True, UNIT, running=True, enabled=True, linger=True), ["service_ok"]),
        (ServiceState("launchd", True, UNIT, running=True, enabled=True), ["service_ok"]),
        (ServiceState("systemd", True, UNIT, True, running=True, enabled=True), ["service_stale"]),
        (ServiceState("systemd", False, UNIT, True), ["service_stale"]),
        (ServiceState("systemd", True, UNIT, enabled=True), ["service_stopped"]),
        (ServiceState("systemd", True, UNIT, running=True), ["service_not_enabled"]),
        (ServiceState("systemd", True, UNIT, running=True, enabled=True, linger=False), ["service_no_linger"]),
        (ServiceState("systemd", True, UNIT), ["service_stopped", "service_not_enabled"]),
        (ServiceState("systemd", problem="no bus"), ["service_problem"]),
    ],
)
def test_an_installed_service(state: ServiceState, expected: list[str]) -> None:
    """None is no trouble; what is installed should be up to date, run, and come back by itself."""
    assert codes(service.judge(state)) == expected
