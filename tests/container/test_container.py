"""packaging/container as far as it can be judged without an engine: its files, and that they agree with each other."""

import fnmatch
import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from tests.container.containerfile import Stage, parse, problems
from tests.support.schemas import complaints
from tests.support.service_fixture import ROOT, service_folder

from modelsvc.service.installation import stop_timeout_s
from supervisor import config as configuration
from supervisor.config import split_listen
from supervisor.open_files import OPEN_FILES

FOLDER = ROOT / "packaging/container"
TEXT = (FOLDER / "Containerfile").read_text()
BUILD, RUN = parse(TEXT)
CONFIG = configuration.load(FOLDER / "modelsvc.toml")
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICE: dict[str, Any] = COMPOSE["services"]["modelsvc"]
GIB = 2**30
SECONDS = {"s": 1, "m": 60, "h": 3600}


def environment(stage: Stage) -> dict[str, str]:
    return dict(word.split("=", 1) for value in stage.all("ENV") for word in value.split())


def published() -> dict[int, tuple[str, int]]:
    """Port in the container: address and port outside."""
    split = [port.rsplit(":", 2) for port in SERVICE["ports"]]
    return {int(inside): (address, int(outside)) for address, outside, inside in split}


# --- the image --------------------------------------------------------------------------------------------------------


def test_the_containerfile_keeps_the_rules() -> None:
    assert problems(TEXT, ROOT) == []


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("python:3.13-slim-trixie", "python:latest", "not latest"),
        ("python:3.13-slim-trixie", "python", "not latest"),
        ("docker.io/library/python:", "python:", "name the registry"),
        ("USER 10001:10001", "USER root", "runs as root"),
        ("USER 10001:10001", "", "runs as root"),
        (" \\\n    && rm -rf /var/lib/apt/lists/*", "", "rm -rf /var/lib/apt/lists/* is missing"),
        ("--no-install-recommends ", "", "--no-install-recommends is missing"),
        ('CMD ["up"]', "CMD up", "exec form"),
        ('CMD ["up"]', "", "one CMD"),
        ("HEALTHCHECK", "LABEL", "HEALTHCHECK"),
        ("COPY src ./src", "COPY source ./src", "COPY source: not there"),
        ("COPY src ./src", "ADD src ./src", "use COPY"),
        ("WORKDIR /build", "ENV HF_TOKEN=abc", "secret"),
    ],
)
def test_a_broken_rule_is_found(before: str, after: str, problem: str) -> None:
    """The test above can fail."""
    assert before in TEXT
    assert problem in "\n".join(problems(TEXT.replace(before, after), ROOT))


def test_nothing_of_the_build_is_in_what_runs() -> None:
    """No compiler, no source: only the wheels' contents."""
    assert (BUILD.name, RUN.name) == ("build", "run")
    assert "build-essential" in TEXT and not any("build-essential" in run for run in RUN.all("RUN"))
    assert [value.split()[0] for value in RUN.all("COPY")] == ["packaging/container/modelsvc.toml"]
    assert any("from=build" in run and "--no-index" in run for run in RUN.all("RUN"))


def test_an_init_collects_orphans_and_passes_signals_on() -> None:
    assert json.loads(RUN.all("ENTRYPOINT")[0]) == ["tini", "--", "modelsvc"]
    assert any(re.search(r"install .*\btini\b", run) for run in RUN.all("RUN"))
    assert RUN.all("STOPSIGNAL") == ["SIGTERM"]


def test_the_user_that_it_runs_as_is_made_with_its_group() -> None:
    """By number, as USER names both; else the files' group is another one."""
    (made,) = (run for run in RUN.all("RUN") if "useradd" in run)
    user, group = RUN.all("USER")[0].split(":")
    assert f"groupadd --gid {group} modelsvc" in made and f"useradd --uid {user} --gid modelsvc " in made


def test_image_and_package_have_one_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert SERVICE["image"] == f"modelsvc:{version}" and f"--tag {SERVICE['image']}" in TEXT


@pytest.mark.parametrize("name", [".containerignore", ".dockerignore"])
def test_the_context_has_what_is_copied_and_little_else(name: str) -> None:
    """Both engines read the same list."""
    lines = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    allowed = [line[1:] for line in lines if line.startswith("!")]
    copied = [word for stage in (BUILD, RUN) for value in stage.all("COPY") for word in value.split()[:-1]]
    for source in copied:
        assert any(source == each or source.startswith(f"{each}/") for each in allowed), source
    assert all((ROOT / each).exists() for each in allowed)
    assert lines[-3] == f"packaging/container/{Path(SERVICE['volumes'][1].split(':')[0])}"  # gigabytes of models
    assert any(fnmatch.fnmatch("src/modelsvc/__pycache__", line) for line in lines[1:] if not line.startswith("!"))


# --- compose ----------------------------------------------------------------------------------------------------------


def test_compose_has_known_fields_only(tmp_path: Path) -> None:
    """A misspelt one would be ignored by some engines."""
    assert complaints("compose-spec", FOLDER / "compose.yaml") == ""
    misspelt = tmp_path / "compose.yaml"
    misspelt.write_text((FOLDER / "compose.yaml").read_text().replace("mem_limit:", "memory_limit:"))
    assert "memory_limit" in complaints("compose-spec", misspelt)


def test_it_builds_this_containerfile() -> None:
    context = (FOLDER / SERVICE["build"]["context"]).resolve()
    assert context == ROOT and (context / SERVICE["build"]["dockerfile"]) == FOLDER / "Containerfile"


def test_ports_are_published_on_this_machine_alone() -> None:
    """Those that the configuration listens on, for all of the container; without keys nobody else may ask."""
    inside = {split_listen(listen) for listen in (CONFIG.edge.listen, CONFIG.control.metrics_listen)}
    assert {address for address, _ in inside} == {"0.0.0.0"}
    ports = {port for _, port in inside}
    assert set(published()) == ports == {int(port) for port in RUN.all("EXPOSE")[0].split()}
    assert {address for address, _ in published().values()} == {"127.0.0.1"} or CONFIG.security.api_keys_file


def test_the_limit_of_memory_is_above_the_budget() -> None:
    """Else the kernel would end a worker that the ledger admitted. There is no swap."""
    limit = int(re.fullmatch(r"(\d+)g", SERVICE["mem_limit"])[1]) * GIB  # type: ignore[index]
    assert limit >= CONFIG.budget_bytes * 1.1
    assert SERVICE["memswap_limit"] == SERVICE["mem_limit"]


def test_answers_under_way_are_waited_for() -> None:
    """As by the service managers: the engine kills later than any end of the service may take."""
    number, unit = re.fullmatch(r"(\d+)([smh])", SERVICE["stop_grace_period"]).groups()  # type: ignore[union-attr]
    assert int(number) * SECONDS[unit] >= stop_timeout_s(CONFIG) > CONFIG.deploy.drain_timeout_s


def test_paths_agree() -> None:
    """State and configuration are where the image, the volumes and the service look for them."""
    own = environment(RUN)
    targets = [volume.split(":")[1] for volume in SERVICE["volumes"]]
    assert targets == json.loads(RUN.all("VOLUME")[0]) == [own["MODELSVC_HOME"], "/models"]
    copied = [value.split()[-1] for value in RUN.all("COPY")]
    assert own["MODELSVC_CONFIG"] in copied
    assert SERVICE["volumes"][0].split(":")[0] in COMPOSE["volumes"]
    assert SERVICE["volumes"][1].endswith(":ro")


def test_no_rights_and_enough_files() -> None:
    assert SERVICE["cap_drop"] == ["ALL"] and SERVICE["read_only"] is True
    assert SERVICE["security_opt"] == ["no-new-privileges:true"]
    assert SERVICE["ulimits"]["nofile"] >= OPEN_FILES
    assert SERVICE["restart"] == "unless-stopped"


# --- what it runs -----------------------------------------------------------------------------------------------------


def test_the_configuration_serves_and_its_health_check_says_so() -> None:
    """The very configuration, but for its ports; asked as HEALTHCHECK does, and by the published address."""
    check = json.loads(RUN.all("HEALTHCHECK")[0].partition("CMD")[2])
    assert check == ["modelsvc", "health", "--url", "http://127.0.0.1:8080"]
    shipped = tomllib.loads((FOLDER / "modelsvc.toml").read_text())
    with service_folder() as service:
        own = service.tables
        edge, metrics = str(own["edge"]["listen"]), str(own["control"]["metrics_listen"])
        for table, keys in shipped.items():
            own[table] = {**own.get(table, {}), **keys}
        own["edge"]["listen"] = edge.replace("127.0.0.1", "0.0.0.0")
        own["control"]["metrics_listen"] = metrics.replace("127.0.0.1", "0.0.0.0")
        service.up()
        assert service.run(*check[1:3], f"http://{edge}").code == 0
        assert httpx.post(f"http://{edge}/chat", json={"message": "Hello!"}, trust_env=False, timeout=30).is_success
        assert httpx.get(f"http://{metrics}/metrics", trust_env=False).is_success


def test_the_shell_script_is_sound() -> None:
    """It is POSIX, and asks the lock for hashes."""
    script = (FOLDER / "wheels.sh").read_text()
    assert subprocess.run(["sh", "-n", str(FOLDER / "wheels.sh")], check=False).returncode == 0
    for line in script.splitlines():
        if re.match(r"pip (download|wheel|install) ", line):
            assert "--require-hashes" in line or "--no-index" in line, line
