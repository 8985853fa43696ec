"""launchd's agent: read back as macOS reads it, with documented keys only."""

import plistlib
import xml.etree.ElementTree as xml
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.service.conftest import Machine

from modelsvc.service.installation import Installation, Recorded, resolve
from modelsvc.service.plist import plist, recorded
from supervisor.paths import StatePaths

# The keys of launchd.plist(5) that could be of use here, with the types it gives them.
DOCUMENTED: dict[str, type | tuple[type, ...]] = {
    "AbandonProcessGroup": bool,
    "EnvironmentVariables": dict,
    "ExitTimeOut": int,
    "HardResourceLimits": dict,
    "KeepAlive": (bool, dict),
    "Label": str,
    "LimitLoadToSessionType": (str, list),
    "LowPriorityIO": bool,
    "Nice": int,
    "ProcessType": str,
    "Program": str,
    "ProgramArguments": list,
    "RunAtLoad": bool,
    "Sockets": dict,
    "SoftResourceLimits": dict,
    "StandardErrorPath": str,
    "StandardInPath": str,
    "StandardOutPath": str,
    "ThrottleInterval": int,
    "Umask": (int, str),
    "WorkingDirectory": str,
}
OF_SOCKETS = {
    *("SockType", "SockPassive", "SockNodeName", "SockServiceName", "SockFamily", "SockProtocol", "SockPathName"),
    *("SecureSocketWithKey", "SockPathOwner", "SockPathGroup", "SockPathMode", "Bonjour", "MulticastGroup"),
}
OF_LIMITS = {"Core", "CPU", "Data", "FileSize", "MemoryLock", "NumberOfFiles", "NumberOfProcesses", "ResidentSetSize"}
ODD = 'a "b" <c> & %n größe'


def read(installation: Installation) -> dict[str, Any]:
    file = plist(installation, Path("/a"))
    assert file.path == Path(f"/a/local.{installation.name}.plist")
    told: dict[str, Any] = plistlib.loads(file.text.encode())
    return told


def test_only_documented_keys_are_used(machine: Machine) -> None:
    """Each with the type that launchd expects."""
    told = read(resolve())
    assert {key for key, value in told.items() if not isinstance(value, DOCUMENTED.get(key, ()))} == set()
    assert set(told["Sockets"]["edge"]) <= OF_SOCKETS
    assert {*told["SoftResourceLimits"], *told["HardResourceLimits"]} <= OF_LIMITS
    assert all(isinstance(value, str) for value in told["EnvironmentVariables"].values())


def test_it_says_what_the_service_relies_on(machine: Machine) -> None:
    """It is kept alive, starts at the login, and nginx and the workers outlive the supervisor."""
    told = read(resolve())
    wanted = {"KeepAlive": True, "RunAtLoad": True, "AbandonProcessGroup": True, "ProcessType": "Interactive"}
    assert told | wanted == told
    assert told["ExitTimeOut"] == resolve().stop_timeout_s
    assert told["ProgramArguments"] == list(resolve().command)
    assert told["StandardErrorPath"] == str(machine.state / "logs" / "service.log")
    assert told["Umask"] == 0o077


@pytest.mark.parametrize(
    ("listen", "socket"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", "8080", "IPv4")),
        ("[::1]:8080", ("::1", "8080", "IPv6")),
        ("0.0.0.0:80", ("0.0.0.0", "80", "IPv4")),
    ],
)
def test_the_socket_is_the_edges(machine: Machine, listen: str, socket: tuple[str, str, str]) -> None:
    """As numbers, so that launchd binds one socket and no more."""
    told = read(replace(resolve(), listen=listen))["Sockets"]["edge"]
    assert (told["SockNodeName"], told["SockServiceName"], told["SockFamily"]) == socket
    assert told["SockType"] == "stream"


def test_odd_paths_are_read_back(machine: Machine) -> None:
    """Whatever XML would make of them."""
    odd = replace(resolve(), config=Path("/", ODD), state=StatePaths(Path("/", ODD)))
    told = read(odd)
    assert told["ProgramArguments"][-1] == f"/{ODD}"
    assert told["EnvironmentVariables"]["MODELSVC_HOME"] == f"/{ODD}"


@pytest.mark.parametrize(
    "keys",
    [
        [],
        {},
        {"EnvironmentVariables": {}, "ProgramArguments": ["a"]},
        {"EnvironmentVariables": {"MODELSVC_HOME": "/s"}},
        {"EnvironmentVariables": {"MODELSVC_HOME": "/s"}, "ProgramArguments": []},
        {"EnvironmentVariables": {"MODELSVC_HOME": 7}, "ProgramArguments": ["a"]},
    ],
)
def test_an_agent_that_is_none_of_ours_records_nothing(keys: Any) -> None:
    """Somebody else's, or one that was edited by hand: it is no reason to fail."""
    assert recorded(plistlib.dumps(keys)) in (None, Recorded(None, Path("/s")))


def test_it_is_a_property_list_of_apples(machine: Machine) -> None:
    """XML with one dictionary in it."""
    root = xml.fromstring(plist(resolve(), Path("/a")).text)
    assert (root.tag, root.get("version"), [child.tag for child in root]) == ("plist", "1.0", ["dict"])
