"""The wheel: whatever is below src is in it. `make release` has built and tried it."""

from pathlib import Path
from zipfile import ZipFile

from scripts import check_wheel
from scripts.check_wheel import ROOT
from tests.ci.conftest import Released


def test_data_of_each_kind_is_in_it(released: Released) -> None:
    names = set(ZipFile(released.wheel).namelist())
    for name in (
        "supervisor/nginx/nginx.conf.j2",
        "modelsvc/models/demo.gguf",
        "supervisor/page/static/api.js",
        "supervisor/monitor/prometheus.yml.j2",
    ):
        assert name in names
    assert any(name.startswith("supervisor/monitor/rules/") for name in names)


def test_a_file_that_is_missing_is_found(released: Released, tmp_path: Path) -> None:
    """As when a new kind of data is not named in pyproject.toml."""
    poorer = tmp_path / released.wheel.name
    with ZipFile(released.wheel) as whole, ZipFile(poorer, "w") as copy:
        for name in whole.namelist():
            if not name.endswith("nginx.conf.j2"):
                copy.writestr(name, whole.read(name))
    assert check_wheel.missing(poorer, ROOT / "src") == ["supervisor/nginx/nginx.conf.j2"]
    (problem,) = check_wheel.problems(poorer, tmp_path)
    assert "lacks supervisor/nginx/nginx.conf.j2" in problem


def test_a_wheel_that_does_not_run_is_found(released: Released, tmp_path: Path) -> None:
    """The version in its name is not what it says, and its templates say nothing."""
    broken = tmp_path / released.wheel.name.replace("-0.", "-9.")
    with ZipFile(released.wheel) as whole, ZipFile(broken, "w") as copy:
        for name in whole.namelist():
            text = b"nonsense {{ edge" if name.endswith("nginx.conf.j2") else whole.read(name)
            copy.writestr(name.replace("modelsvc-0.", "modelsvc-9."), text)
    (tmp_path / "room").mkdir()
    found = " ".join(check_wheel.problems(broken, tmp_path / "room"))
    assert "`modelsvc --version` says" in found and "does not find nginx_config_ok" in found
