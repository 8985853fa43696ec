"""systemd's units as text: an installation in, files out."""

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from modelsvc.service.files import File
from modelsvc.service.installation import Installation, Recorded

TEMPLATES = Path(__file__).with_name("templates") / "systemd"
SOCKET_NAME = "edge"  # for people who look at the unit: the supervisor knows the socket by its address
OWN_SECTION = "[X-Modelsvc]"  # systemd passes over sections whose names begin so
HOME_KEY, CONFIG_KEY = "StateFolder", "Configuration"

_PLAIN = re.compile(r"[A-Za-z0-9_@:/.,+=-]+")


def units(installation: Installation, folder: Path) -> tuple[File, File]:
    """The service and its socket, in `folder`."""
    return _unit(installation, folder, "service"), _unit(installation, folder, "socket")


def recorded(unit: str) -> Recorded | None:
    """What the service's unit was made from; None when it is not one of ours."""
    lines = unit.partition(OWN_SECTION)[2].splitlines()
    own = {name: value for name, _, value in (line.partition("=") for line in lines)}
    if not own.get(HOME_KEY):
        return None
    return Recorded(Path(own[CONFIG_KEY]) if own.get(CONFIG_KEY) else None, Path(own[HOME_KEY]))


def _unit(installation: Installation, folder: Path, kind: str) -> File:
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,  # units are no HTML
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    text = templates.get_template(f"modelsvc.{kind}.j2").render(
        name=installation.name,
        command=command_line(installation.command),
        environment=[quoted(f"{name}={value}") for name, value in installation.environment.items()],
        listen=installation.listen,
        socket=SOCKET_NAME,
        start_timeout_s=installation.start_timeout_s,
        stop_timeout_s=installation.stop_timeout_s,
        own_section=OWN_SECTION,
        own={HOME_KEY: installation.state.root, CONFIG_KEY: installation.config or ""},
    )
    return File(folder / f"{installation.name}.{kind}", text)


def command_line(words: tuple[str, ...]) -> str:
    """For ExecStart=. The colon keeps systemd from replacing `$NAME` in it.

    A program whose path has quotes or backslashes systemd does not run, but env(1) does, and becomes it.
    """
    if any(letter in words[0] for letter in "\"'\\"):
        words = ("/usr/bin/env", *words)
    program, *arguments = words
    return " ".join(map(quoted, (f":{program}", *arguments)))


def quoted(word: str) -> str:
    """One word as systemd.syntax(7) has it; `%` would begin a specifier."""
    if _PLAIN.fullmatch(word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'
