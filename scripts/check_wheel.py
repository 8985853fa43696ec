"""`check_wheel.py WHEEL`: is everything in it, and does it run where only it is installed?

It goes into a fresh virtual environment, whose other packages are those of the environment this runs in. So nothing is
downloaded or compiled, and nothing of the source tree can be imported by accident.
"""

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).resolve().parent.parent
NOT_SHIPPED = {"__pycache__"}
NEEDS_DATA = {"nginx_config_ok", "model_ok"}  # findings that the package's data is needed for
TIMEOUT_S = 120


def missing(wheel: Path, source: Path) -> list[str]:
    """Files below `source` that the wheel does not have: modules and data alike."""
    with ZipFile(wheel) as archive:
        shipped = set(archive.namelist())
    return sorted({str(path.relative_to(source)) for path in _files(source)} - shipped)


def _files(source: Path) -> Iterator[Path]:
    for path in source.rglob("*"):
        hidden = NOT_SHIPPED & set(path.parts) or any(part.endswith(".egg-info") for part in path.parts)
        if path.is_file() and not hidden:
            yield path


def installed(wheel: Path, folder: Path) -> Path:
    """The `modelsvc` command of a fresh environment that has the wheel."""
    venv.create(folder, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(folder / "bin" / "python")]
    command = [*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(command, env=alone(folder), check=True, timeout=TIMEOUT_S)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "modelsvc"


def run(command: Path, *arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run it where nothing of the source tree, of the user or of a service is found."""
    return subprocess.run(
        [command, *arguments], cwd=folder, env=alone(folder), capture_output=True, text=True, timeout=TIMEOUT_S
    )


def alone(folder: Path) -> dict[str, str]:
    """An environment in which no PYTHONPATH leads elsewhere; pip, too, would take what it finds there for installed."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "HOME": str(folder), "MODELSVC_HOME": str(folder / "s")}


def problems(wheel: Path, folder: Path) -> Iterator[str]:
    """What is wrong with the wheel. `folder` is an empty one."""
    if absent := missing(wheel, ROOT / "src"):
        yield f"{wheel.name} lacks {', '.join(absent)}: see [tool.setuptools.package-data] in pyproject.toml"
        return
    command = installed(wheel, folder / "venv")
    version = wheel.name.split("-")[1]
    told = run(command, "--version", folder=folder)
    if told.stdout.strip() != f"modelsvc {version}":
        yield f"`modelsvc --version` says {(told.stdout + told.stderr).strip()!r}, not modelsvc {version}"
    yield from _what_the_doctor_says(command, folder)


def _what_the_doctor_says(command: Path, folder: Path) -> Iterator[str]:
    """It renders the edge's configuration, and loads the demo model, from the wheel's own data."""
    examined = run(command, "doctor", "--json", folder=folder)
    try:
        areas = json.loads(examined.stdout)["areas"]
    except ValueError:
        yield f"`modelsvc doctor --json` failed: {examined.stderr.strip()}"
        return
    codes = {finding["code"] for area in areas for finding in area["findings"]}
    for code in NEEDS_DATA - codes:
        yield f"`modelsvc doctor` of the installed wheel does not find {code}, but {', '.join(sorted(codes))}"


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        sys.stderr.write("usage: check_wheel.py WHEEL\n")
        return 2
    wheel = Path(arguments[0]).resolve()
    with tempfile.TemporaryDirectory(prefix="modelsvc-wheel-") as folder:
        found = list(problems(wheel, Path(folder)))
    sys.stdout.write("".join(f"{line}\n" for line in found or [f"{wheel.name} is whole, and runs"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
