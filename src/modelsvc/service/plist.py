"""launchd's property list as text: an installation in, a file out."""

import plistlib
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from modelsvc.service.files import File
from modelsvc.service.installation import Installation, Recorded
from supervisor.config import split_listen
from supervisor.protocol import HOME_ENV

TEMPLATE = Path(__file__).with_name("templates") / "launchd" / "modelsvc.plist"
SOCKET_NAME = "edge"  # by which the supervisor asks launchd for it


def label(name: str) -> str:
    """The job's name, which launchd wants in reverse domain order; `local` is nobody's domain."""
    return f"local.{name}"


def plist(installation: Installation, folder: Path) -> File:
    """The agent, in `folder`."""
    host, port = split_listen(installation.listen)
    own: dict[str, Any] = {
        "Label": label(installation.name),
        "ProgramArguments": list(installation.command),
        "EnvironmentVariables": installation.environment,
        "ExitTimeOut": installation.stop_timeout_s,
        "StandardOutPath": str(installation.log),
        "StandardErrorPath": str(installation.log),
        "Sockets": {SOCKET_NAME: _socket(host, port)},
    }
    keys = plistlib.loads(TEMPLATE.read_bytes()) | own
    return File(folder / f"{label(installation.name)}.plist", plistlib.dumps(keys).decode())


def recorded(agent: bytes) -> Recorded | None:
    """What the agent was made from; None when it is not one of ours."""
    try:
        keys = plistlib.loads(agent)
        home, command = keys["EnvironmentVariables"][HOME_ENV], keys["ProgramArguments"]
        return Recorded(Path(command[-1]) if "--config" in command[-2:-1] else None, Path(home))
    except (plistlib.InvalidFileException, ExpatError, KeyError, IndexError, TypeError):
        return None


def _socket(host: str, port: int) -> dict[str, Any]:
    family = "IPv6" if ":" in host else "IPv4"
    return {"SockNodeName": host, "SockServiceName": str(port), "SockFamily": family, "SockType": "stream"}
