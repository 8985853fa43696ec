"""The kinds of value that keys have: what is allowed, in which unit, and how to say so."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo

from modelsvc import keyfile
from supervisor.listen import numeric, split_listen
from supervisor.protocol.happenings import HOOKABLE

BYTES_PER_GB = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Unit:
    """What a number counts; for the reference, it checks nothing."""

    name: str


@dataclass(frozen=True, slots=True)
class Form:
    """What a value looks like, where its type and limits do not tell; for the reference as well."""

    words: str


def _path(value: str, info: ValidationInfo) -> str:
    """From the file's folder where it is relative; `~` stays as it was written, for whoever runs the service."""
    if not value or value.startswith("~") or info.context is None:
        return value
    return str(_absolute(value, info))


def _program(value: str, info: ValidationInfo) -> str:
    """The same for a path; a name, which has no slash, is looked for in PATH."""
    return _path(value, info) if "/" in value else value


def _loopback(value: str) -> str:
    if not ip_address(split_listen(value)[0]).is_loopback:
        raise ValueError(f"must be an address of this machine alone, such as 127.0.0.1:9090, not {value!r}")
    return value


_DURATION = re.compile(r"(?=.)(\d+y)?(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?")


def _duration(value: str) -> str:
    if not _DURATION.fullmatch(value) or not any(digit in value for digit in "123456789"):
        raise ValueError(f"must be a duration as Prometheus writes them, such as 24h or 1d12h, not {value!r}")
    return value


def _gpu_layers(value: Any) -> Literal["auto"] | int:
    """One validator, since a union reports one problem for each of its members."""
    if value == "auto":
        return "auto"
    if type(value) is int and 0 <= value <= 1000:
        return value
    raise ValueError(f'must be "auto" or a whole number from 0 to 1000, not {value!r}')


def _auto_or(value: Any, kind: type, highest: int, allowed: str) -> Any:
    """One validator, for the same reason."""
    number = kind(value) if type(value) in (int, kind) else None
    if value == "auto" or (number is not None and 0 <= number <= highest):
        return value if number is None else number
    raise ValueError(f'must be "auto" or {allowed}, not {value!r}')


def _temperature(value: Any) -> Literal["auto"] | float:
    found: Literal["auto"] | float = _auto_or(value, float, 2, "a number from 0 to 2")
    return found


def _share(value: Any) -> Literal["auto"] | float:
    found: Literal["auto"] | float = _auto_or(value, float, 1, "a number from 0 to 1")
    return found


def _top_k(value: Any) -> Literal["auto"] | int:
    found: Literal["auto"] | int = _auto_or(value, int, 1_000_000, "a whole number from 0 to 1000000")
    return found


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"must be a regular expression, but {value!r} is none: {error}") from None
    return value


def _event(value: str) -> str:
    if value != "*" and value not in HOOKABLE:
        raise ValueError(f'must be "*" or one of {", ".join(HOOKABLE)}, not {value!r}')
    return value


_ORIGIN = re.compile(r"(?=.{1,255}$)([a-z][a-z0-9+.-]*)://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_USUAL_PORTS = (("http", ":80"), ("https", ":443"))


def _origin(value: str) -> str:
    """A browser sends no capitals, no path and no usual port: what has one would never match."""
    found = _ORIGIN.fullmatch(value)
    if value != "*" and (found is None or found.groups() in _USUAL_PORTS):
        raise ValueError(
            "must be an origin as browsers send it, such as http://localhost:3000 (in small letters, without a path,"
            f' without the usual port), or "*", not {value!r}'
        )
    return value


def _each_once(values: list[str]) -> list[str]:
    """nginx refuses a map that has one key twice."""
    return list(dict.fromkeys(values))


def _absolute(value: str, info: ValidationInfo) -> Path:
    """A path counts from the configuration file's folder, which is the context of a validation."""
    return ((info.context or Path()) / Path(value).expanduser()).absolute()


def _textfile(value: str, info: ValidationInfo) -> str:
    """Absolute; a node exporter reads no other names."""
    if value and not value.endswith(".prom"):
        raise ValueError(f"must end in .prom, as a node exporter's textfile collector expects, not {value!r}")
    return str(_absolute(value, info)) if value else value


def _keys_file(value: str, info: ValidationInfo) -> str:
    """Absolute, and checked: a worker would not start with keys that cannot be read, nor do without."""
    if not value:
        return value
    path = (info.context or Path()) / Path(value).expanduser()
    keyfile.read(path)
    return str(path.absolute())


def _command(value: list[str], info: ValidationInfo) -> list[str]:
    """A program by its path, from the file's folder, or by a name that is looked for in PATH."""
    if not value or not value[0] or any("\0" in word for word in value):
        raise ValueError(
            f"must be a program and its arguments, such as ['/usr/bin/logger', '-t', 'modelsvc'], not {value}"
        )
    program = str(_absolute(value[0], info)) if "/" in value[0] else value[0]
    return [program, *value[1:]]


Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=86_400), Unit("seconds")]
Gigabytes = Annotated[float, Field(gt=0, le=10_000), Unit("10^9 bytes")]

AnyPath = Annotated[str, Form("a path")]
ModelPath = Annotated[str, AfterValidator(_path), Form("a path")]
Program = Annotated[str, AfterValidator(_program), Form("a command or its path")]
Listen = Annotated[str, AfterValidator(numeric), Form("ADDRESS:PORT, the address numeric or localhost")]
LoopbackListen = Annotated[Listen, AfterValidator(_loopback), Form("ADDRESS:PORT, the address a loopback one")]
GpuLayers = Annotated[
    Literal["auto"] | int, PlainValidator(_gpu_layers), Form('"auto", or a whole number from 0 to 1,000')
]
Temperature = Annotated[Literal["auto"] | float, PlainValidator(_temperature), Form('"auto", or a number from 0 to 2')]
Share = Annotated[Literal["auto"] | float, PlainValidator(_share), Form('"auto", or a number from 0 to 1')]
TopK = Annotated[Literal["auto"] | int, PlainValidator(_top_k), Form('"auto", or a whole number from 0 to 1,000,000')]
Retention = Annotated[str, AfterValidator(_duration), Form("a duration such as 24h or 1d12h")]
Pattern = Annotated[str, AfterValidator(_pattern), Form("a regular expression of Python")]
Textfile = Annotated[str, AfterValidator(_textfile), Form("a path that ends in .prom")]
KeysFile = Annotated[str, AfterValidator(_keys_file), Form("the path of a file that can be read")]
Events = Annotated[list[Annotated[str, AfterValidator(_event)]], Form("a list of events' names")]
Origins = Annotated[
    list[Annotated[str, AfterValidator(_origin)]], AfterValidator(_each_once), Form('a list of origins, or of "*"')
]
Command = Annotated[list[str], AfterValidator(_command), Form("a list: program, arguments")]
