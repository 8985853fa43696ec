"""A machine to set up that is only a folder: fake programs that note how they were called."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# What the scripts may use of the real machine.
COREUTILS = (
    "sh", "awk", "cat", "chmod", "cmp", "cp", "dirname", "env", "flock", "grep", "kill", "mkdir", "mktemp", "mv", "rm",
    "sleep", "tail", "tr",
)  # fmt: skip

PROGRAMS = ("nginx", "prometheus", "chromium", "zsh", "fish")
PYTHON = """\
case "$*" in
    *version_info\\ \\<*) exit {too_old} ;;
    *ensurepip*) exit {no_venv} ;;
    *%d.%d*) echo 3.12 ;;
    *"-m venv"*)
        for venv; do :; done
        mkdir -p "$venv/bin"
        echo "VIRTUAL_ENV=$venv" > "$venv/bin/activate"
        cp "$0" "$venv/bin/python" ;;
    *"-m pip"*) {pip} ;;
    *alone.py*) exec "{python}" "$@" ;;
esac"""


class Machine:
    """A checkout and a PATH below `folder`; `calls` tells which fake programs ran, in order."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "checkout"
        self.root = folder / "root"
        self.bin = folder / "bin"
        self._log = folder / "calls"
        for path in (self.bin, self.checkout, self.root / "usr/sbin", self.root / "run/lock"):
            path.mkdir(parents=True)
        shutil.copytree(ROOT / "scripts", self.checkout / "scripts")
        for name in ("pyproject.toml", "requirements.lock"):
            shutil.copy(ROOT / name, self.checkout)
        for name in COREUTILS:
            if found := shutil.which(name):
                (self.bin / name).symlink_to(found)
            else:
                self.has(name)  # macOS has no flock, and real Debian always has
        self.has("id", "echo 0")

    @property
    def policy(self) -> Path:
        return self.root / "usr/sbin/policy-rc.d"

    @property
    def calls(self) -> list[str]:
        """Calls of fake programs, without those that only ask."""
        asked = (
            "id ",
            "uname ",
            "xcode-select ",
            "python3 -c",
            "python -c",
            "python3 --version",
            "apt-cache ",
            "python3 /",
        )
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [line for line in lines if not line.startswith(asked)]

    def has(self, name: str, does: str = ":") -> None:
        """Install a program."""
        program = self.bin / name
        program.write_text(f'#!/bin/sh\necho "${{0##*/}} $*" >> "{self._log}"\n{does}\n')
        program.chmod(0o755)

    def has_python(self, *, too_old: bool = False, no_venv: bool = False, pip: str = ":") -> None:
        self.has("python3", PYTHON.format(python=sys.executable, too_old=int(too_old), no_venv=int(no_venv), pip=pip))

    def is_macos(self, *, brew: bool = True) -> None:
        """Homebrew, Apple's compilers and zsh, but neither a new Python nor nginx."""
        self.has("uname", "echo Darwin")
        self.has("zsh")
        self.has("xcode-select")
        if brew:
            self.has("brew", self._install(PROGRAMS))

    def is_debian(self, *, apt: str = ":", lacks: tuple[str, ...] = ()) -> None:
        """apt-get install brings our programs, after running `apt`; services would start when the policy lets them."""
        self.has("uname", "echo Linux")
        self.has("apt-get", f'case "$1" in install)\n{apt}\n{self._install(PROGRAMS)}\n{self._start()}\n;; esac')
        self.has("apt-cache", f'case " {" ".join(lacks)} " in *" $2 "*) exit 100 ;; esac')
        self.has("systemctl")

    def has_programs(self, *names: str) -> None:
        """All that is no Python package; or these."""
        for name in names or PROGRAMS:
            self.has(name)

    def _install(self, names: tuple[str, ...]) -> str:
        """The shell's words for installing those of the programs that are arguments."""
        create = f'printf \'#!/bin/sh\\n\' > "{self.bin}/$name"; chmod 755 "{self.bin}/$name"'
        return f'for name in {" ".join(names)}; do case " $* " in *" $name "*) {create} ;; esac; done'

    def _start(self) -> str:
        """As the packages' scripts do, asking the policy."""
        may = f'[ ! -x "{self.policy}" ] || "{self.policy}" $name start'
        run = f'if {may}; then echo $name started >> "{self._log}"; fi'
        return f'for name in nginx prometheus; do case " $* " in *" $name "*) {run} ;; esac; done'

    def run(self, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        process = self.started(script, *arguments, **environment)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def started(self, script: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["sh", self.checkout / "scripts" / script, *arguments],
            env={
                "PATH": str(self.bin),
                "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
                "MODELSVC_SETUP_PATH": str(self.bin),
                "MODELSVC_ROOT": str(self.root),
                **environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def setup(self, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.run("setup.sh", **environment)
