"""What Prometheus and Grafana are given: one source, in the package, in the repository and beside the data."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tests.support.real_prometheus import needs_prometheus, promtool

from supervisor.config import Config, parse
from supervisor.monitor import files

ROOT = Path(__file__).parents[2]
SHOWN = ROOT / "config"


def test_the_configuration_in_the_repository_is_that_of_the_defaults() -> None:
    """Whoever runs a Prometheus of their own begins with it."""
    assert (SHOWN / "prometheus.yml").read_text() == files.render(Config())


@pytest.mark.parametrize(("name", "source"), [("rules", files.RULES), ("grafana", files.GRAFANA)])
def test_rules_and_dashboard_in_the_repository_are_the_packages(name: str, source: Path) -> None:
    """Links: there is no copy to forget."""
    assert (SHOWN / name).is_symlink()
    assert (SHOWN / name).resolve() == source.resolve()


@needs_prometheus
def test_promtool_accepts_what_the_repository_shows() -> None:
    """The configuration and, by it, every rule."""
    done = promtool("check", "config", SHOWN / "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("rules found") == len([*files.RULES.glob("*.yml")])


@needs_prometheus
@pytest.mark.parametrize("listen", ["127.0.0.1:9999", "0.0.0.0:9999", "[::1]:9999", "[::]:9999"])
def test_the_configuration_follows_the_ports(folder: Path, listen: str) -> None:
    """Prometheus asks on this machine, also a supervisor that listens everywhere."""
    config = parse({"workers": {"blue_port": 7000, "green_port": 7001}, "control": {"metrics_listen": listen}}, "x")
    files.write(folder / "p", files.render(config))
    text = (folder / "p" / "prometheus.yml").read_text()

    assert re.findall(r'targets: \["(.*)"\]', text) == [
        "127.0.0.1:7000",
        "127.0.0.1:7001",
        {"0.0.0.0:9999": "127.0.0.1:9999", "[::]:9999": "[::1]:9999"}.get(listen, listen),
    ]
    assert promtool("check", "config", folder / "p" / "prometheus.yml").returncode == 0


def test_only_what_changed_is_written(folder: Path) -> None:
    """A Prometheus that goes on has to read its files again only then; a rule that is no more goes."""
    assert files.write(folder / "p", files.render(Config()))
    assert not files.write(folder / "p", files.render(Config()))

    (folder / "p" / "rules" / "old.yml").write_text("groups: []\n")
    assert files.write(folder / "p", files.render(Config()))
    assert sorted(path.name for path in (folder / "p" / "rules").iterdir()) == ["alerts.yml", "recording.yml"]


def test_an_installed_package_has_them_all(folder: Path) -> None:
    """What setuptools is not told of stays behind."""
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "*.gguf")
    shutil.copytree(ROOT / "src", folder / "src", ignore=ignored)
    build = "from setuptools import build_meta; print(build_meta.build_wheel('.'))"
    done = subprocess.run([sys.executable, "-c", build], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    packed = set(zipfile.ZipFile(folder / done.stdout.splitlines()[-1]).namelist())

    wanted = {str(path.relative_to(ROOT / "src")) for path in files.HERE.rglob("*") if path.is_file()}
    assert {path for path in wanted if "__pycache__" not in path} <= packed
