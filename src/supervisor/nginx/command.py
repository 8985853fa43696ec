"""The nginx command: what is installed, whether it accepts a configuration, how it is started."""

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from supervisor.errors import EdgeError
from supervisor.nginx.config import TEMP_FOLDERS, NginxBuild, Version
from supervisor.processes import finish_child

TIMEOUT_S = 10.0
START_LOG = "start.log"
# Debian keeps nginx in sbin, outside a user's PATH; Homebrew's folder is outside launchd's.
USUAL_FOLDERS = ("/opt/homebrew/bin", "/usr/local/bin", "/usr/local/sbin", "/usr/sbin", "/sbin")
LOG_OPTION_SINCE: Version = (1, 19, 5)

_VERSION = re.compile(r"nginx version: \S+/(\d+)\.(\d+)\.(\d+)")
_EMERGENCY = re.compile(r"\[emerg\] (?:\d+#\d+: )?(.+)")


def locate(nginx: str) -> str:
    """The path of `nginx`, also where a user's or a service's PATH does not reach; as it is when nothing is found."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *USUAL_FOLDERS))
    return shutil.which(nginx, path=path) or nginx


async def inspect(nginx: str) -> NginxBuild:
    """What `nginx` is. Raises EdgeError when it is missing or is no nginx."""
    text = await _output(nginx, "-V")
    version = _VERSION.search(text)
    if not version:
        said = _shown(text.strip()[:200]) or "but nothing"
        raise EdgeError(f"{nginx!r} does not say its version as nginx does, {said}: set edge.nginx to an nginx")
    major, minor, patch = map(int, version.groups())
    return NginxBuild(
        version=(major, minor, patch),
        stub_status="--with-http_stub_status_module" in text,
        temp_folders=tuple(name for name in TEMP_FOLDERS if f"--without-http_{name}_module" not in text),
    )


async def check_config(nginx: str, build: NginxBuild, folder: Path, listener: socket.socket | None) -> None:
    """`nginx -t`. Raises EdgeError with nginx's own words."""
    await _output(*arguments(nginx, build, folder), "-t", folder=folder, listener=listener)


def start(nginx: str, build: NginxBuild, folder: Path, listener: socket.socket) -> subprocess.Popen[bytes]:
    """The nginx master, in a session of its own, serving on the socket that is handed down to it.

    Raises EdgeError when the system refuses: the program is gone, or its log cannot be written.
    """
    try:
        with (folder / START_LOG).open("wb") as log:
            return subprocess.Popen(
                arguments(nginx, build, folder),
                cwd=folder,
                env=_environment(listener),
                pass_fds=[listener.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
    except OSError as error:
        raise EdgeError(f"nginx cannot be started: {error}; mend that, or set edge.nginx to another nginx") from error


def arguments(nginx: str, build: NginxBuild, folder: Path) -> list[str]:
    """The command line for the private nginx in `folder`; never the system's configuration or log."""
    early_log = ["-e", "stderr"] if build.version >= LOG_OPTION_SINCE else []
    return [nginx, "-p", f"{folder}/", "-c", "nginx.conf", *early_log]


def complaint(text: str) -> str:
    """Why nginx gave up, by what it printed or logged; empty if it did not."""
    found = _EMERGENCY.search(text)
    return found[1] if found else ""


def _environment(listener: socket.socket | None) -> dict[str, str]:
    """nginx takes over the sockets that `NGINX` lists instead of binding the address itself."""
    inherited = {"NGINX": f"{listener.fileno()};"} if listener else {}
    return {key: value for key, value in os.environ.items() if key != "NGINX"} | inherited


async def _output(*command: str, folder: Path | None = None, listener: socket.socket | None = None) -> str:
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env=_environment(listener),
            pass_fds=[listener.fileno()] if listener else [],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,  # `nginx` may be a script with children of its own
        )
    except OSError as error:
        raise EdgeError(_missing(command[0], error), code="nginx_missing") from error
    return await _finished(process)


async def _finished(process: asyncio.subprocess.Process) -> str:
    try:
        output, _ = await finish_child(process, TIMEOUT_S)
    except TimeoutError as error:
        raise EdgeError(f"nginx did not answer within {TIMEOUT_S:.0f} s") from error
    text = output.decode(errors="replace")
    if process.returncode:
        why = complaint(text) or text.strip()
        raise EdgeError(
            f"nginx rejects its configuration: {why}; modelsvc wrote it, so try another nginx by edge.nginx",
            code="config_rejected",
        )
    return text


def _shown(text: str) -> str:
    """Without what a terminal would act on."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _missing(nginx: str, error: OSError) -> str:
    install = "brew install nginx" if sys.platform == "darwin" else "sudo apt-get install nginx"
    return f"cannot run {nginx!r} ({error.strerror}): install it with `{install}`, or set edge.nginx to its path"
