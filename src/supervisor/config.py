"""The configuration file as frozen values; every problem is reported at once, with its dotted path."""

import re
import tomllib
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import ErrorDetails

from modelsvc import keyfile
from supervisor.core.bake import Limits
from supervisor.core.gate import Check
from supervisor.core.state import Color, Policy, SettingValue
from supervisor.errors import ConfigError, InvalidRequest
from supervisor.protocol.happenings import HOOKABLE

Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
BYTES_PER_GB = 1_000_000_000


def split_listen(listen: str) -> tuple[str, int]:
    """`127.0.0.1:8080` or `[::1]:8080` as host and port. Raises ValueError on anything else."""
    host, _, port = listen.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    try:
        ip_address(bare)
    except ValueError:
        raise ValueError(
            f"must be ADDRESS:PORT with a numeric address, such as 127.0.0.1:8080, not {listen!r}"
        ) from None
    if not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise ValueError(f"must end in a port from 1 to 65535, not {port!r}")
    return bare, int(port)


def _listen(value: str) -> str:
    split_listen(value)
    return value


Listen = Annotated[str, AfterValidator(_listen)]


def _loopback(value: str) -> str:
    if not ip_address(split_listen(value)[0]).is_loopback:
        raise ValueError(f"must be an address of this machine alone, such as 127.0.0.1:9090, not {value!r}")
    return value


_DURATION = re.compile(r"(?=.)(\d+y)?(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?")


def _gpu_layers(value: Any) -> Literal["auto"] | int:
    """One validator, since a union reports one problem for each of its members."""
    if value == "auto":
        return "auto"
    if type(value) is int and 0 <= value <= 1000:
        return value
    raise ValueError(f'must be "auto" or a whole number from 0 to 1000, not {value!r}')


GpuLayers = Annotated[Literal["auto"] | int, PlainValidator(_gpu_layers)]


class Section(BaseModel):
    """Closed to unknown keys, and to values of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ModelSection(Section):
    """What a worker runs; a deployment may change any of it."""

    path: str = ""
    context_tokens: int = Field(4096, ge=128, le=1_048_576)
    slots: int = Field(4, ge=1, le=64)
    threads: int = Field(0, ge=0, le=512)
    gpu_layers: GpuLayers = "auto"
    kv_cache: Literal["f16", "q8_0"] = "f16"
    queue_limit: int = Field(64, ge=1, le=10_000)


class EdgeSection(Section):
    """nginx in front."""

    listen: Listen = "127.0.0.1:8080"
    nginx: str = "nginx"
    hold_timeout_s: Seconds = 30.0
    hold_limit: int = Field(64, ge=1, le=1000)


class WorkersSection(Section):
    """The two slots."""

    blue_port: Port = 8000
    green_port: Port = 8001
    stop_timeout_s: Seconds = 30.0
    crash_limit: int = Field(6, ge=1, le=1000)


class MemorySection(Section):
    """Limits of the ledger, in units of 10^9 bytes."""

    budget_gb: float = Field(8.0, gt=0, le=10_000)
    worker_limit_gb: float = Field(2.0, gt=0, le=10_000)


class DeploySection(Section):
    """How patient a deployment is."""

    ready_timeout_s: Seconds = 180.0
    drain_timeout_s: Seconds = 300.0
    bake_s: float = Field(10.0, ge=0, le=86_400)
    bake_max_error_rate: float = Field(0.05, ge=0, le=1)
    bake_max_latency_ratio: float = Field(3.0, ge=0, le=1000)
    keep_previous: bool = True


def _textfile(value: str, info: ValidationInfo) -> str:
    """Absolute; a node exporter reads no other names."""
    if value and not value.endswith(".prom"):
        raise ValueError(f"must end in .prom, as a node exporter's textfile collector expects, not {value!r}")
    return str(((info.context or Path()) / Path(value).expanduser()).absolute()) if value else value


class ControlSection(Section):
    """The supervisor's own listeners, and the file that says what they would."""

    socket: str = ""
    metrics_listen: Listen = "127.0.0.1:9180"
    textfile: Annotated[str, AfterValidator(_textfile)] = ""


def _retention(value: str) -> str:
    if not _DURATION.fullmatch(value) or not any(digit in value for digit in "123456789"):
        raise ValueError(f"must be a duration as Prometheus writes them, such as 24h or 1d12h, not {value!r}")
    return value


class MonitorSection(Section):
    """The Prometheus that `modelsvc monitor up` runs."""

    prometheus: str = Field("prometheus", min_length=1)
    listen: Annotated[Listen, AfterValidator(_loopback)] = "127.0.0.1:9090"
    retention: Annotated[str, AfterValidator(_retention)] = "24h"


def _keys_file(value: str, info: ValidationInfo) -> str:
    """Absolute, and checked: a worker would not start with keys that cannot be read, nor do without."""
    if not value:
        return value
    path = (info.context or Path()) / Path(value).expanduser()
    keyfile.read(path)
    return str(path.absolute())


class SecuritySection(Section):
    """Who may ask."""

    api_keys_file: Annotated[str, AfterValidator(_keys_file)] = ""
    allowed_hosts: list[str] = Field(["localhost", "127.0.0.1"], min_length=1)


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"must be a regular expression, but {value!r} is none: {error}") from None
    return value


class GateSection(Section):
    """One prompt that a new release must answer well before it may serve."""

    prompt: str = Field(min_length=1, max_length=100_000)
    expect: str = ""
    pattern: Annotated[str, AfterValidator(_pattern)] = ""
    same_as_active: bool = False
    max_tokens: int = Field(32, ge=1, le=4096)
    max_first_token_s: float = Field(0.0, ge=0, le=86_400)
    min_tokens_per_second: float = Field(0.0, ge=0, le=1_000_000)


def _event(value: str) -> str:
    if value != "*" and value not in HOOKABLE:
        raise ValueError(f'must be "*" or one of {", ".join(HOOKABLE)}, not {value!r}')
    return value


def _command(value: list[str], info: ValidationInfo) -> list[str]:
    """A program by its path, from the file's folder, or by a name that is looked for in PATH."""
    if not value or not value[0] or any("\0" in word for word in value):
        raise ValueError(
            f"must be a program and its arguments, such as ['/usr/bin/logger', '-t', 'modelsvc'], not {value}"
        )
    program = value[0]
    if "/" in program:
        program = str(((info.context or Path()) / Path(program).expanduser()).absolute())
    return [program, *value[1:]]


class HookSection(Section):
    """A command that is run at events, with the event as JSON on its stdin."""

    on: list[Annotated[str, AfterValidator(_event)]] = Field(min_length=1, max_length=100)
    command: Annotated[list[str], AfterValidator(_command)]
    timeout_s: float = Field(10.0, gt=0, le=3600)


class Config(Section):
    """The whole file; an absent key has its default."""

    model: ModelSection = ModelSection()
    edge: EdgeSection = EdgeSection()
    workers: WorkersSection = WorkersSection()
    memory: MemorySection = MemorySection()
    deploy: DeploySection = DeploySection()
    control: ControlSection = ControlSection()
    monitor: MonitorSection = MonitorSection()
    security: SecuritySection = SecuritySection()
    gate: list[GateSection] = Field([], max_length=100)
    hook: list[HookSection] = Field([], max_length=20)

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        ports = {
            "edge.listen": split_listen(self.edge.listen)[1],
            "workers.blue_port": self.workers.blue_port,
            "workers.green_port": self.workers.green_port,
            "control.metrics_listen": split_listen(self.control.metrics_listen)[1],
            "monitor.listen": split_listen(self.monitor.listen)[1],
        }
        users = {port: [key for key, its in ports.items() if its == port] for port in ports.values()}
        clashes = [f"{' and '.join(keys)} use the same port {port}" for port, keys in users.items() if len(keys) > 1]
        if clashes:
            raise ValueError(f"{'; '.join(clashes)}: give each its own")
        return self

    def port(self, color: Color) -> int:
        return self.workers.blue_port if color is Color.BLUE else self.workers.green_port

    @property
    def budget_bytes(self) -> int:
        return round(self.memory.budget_gb * BYTES_PER_GB)

    @property
    def worker_limit_bytes(self) -> int:
        return round(self.memory.worker_limit_gb * BYTES_PER_GB)

    def gate_checks(self) -> tuple[Check, ...]:
        return tuple(Check(**section.model_dump()) for section in self.gate)

    def bake_limits(self) -> Limits:
        return Limits(self.deploy.bake_max_error_rate, self.deploy.bake_max_latency_ratio)

    def policy(self) -> Policy:
        """The limits the planner decides by."""
        return Policy(
            ready_timeout_s=self.deploy.ready_timeout_s,
            drain_timeout_s=self.deploy.drain_timeout_s,
            bake_s=self.deploy.bake_s,
            stop_timeout_s=self.workers.stop_timeout_s,
            keep_previous=self.deploy.keep_previous,
            crash_limit=self.workers.crash_limit,
            worker_limit_bytes=self.worker_limit_bytes,
            budget_bytes=self.budget_bytes,
        )


def load(path: Path | None) -> Config:
    """The configuration in `path`, or the defaults. Raises ConfigError that lists all that is wrong with it."""
    return parse(_read(path) if path else {}, str(path or "the defaults"), path.parent if path else None)


def parse(values: Mapping[str, Any], source: str, folder: Path | None = None) -> Config:
    """Configuration values as a Config; `source` names them in errors, relative paths count from `folder`."""
    try:
        return Config.model_validate(values, context=folder)
    except ValidationError as error:
        problems = describe(error)
        raise ConfigError(
            f"{source} has {len(problems)} problem(s):\n" + "\n".join(f"  {line}" for line in problems)
        ) from None


def with_settings(base: ModelSection, settings: Mapping[str, SettingValue]) -> ModelSection:
    """`base` with dotted `model.…` keys replaced. Raises InvalidRequest that lists every wrong one."""
    changed = {key.removeprefix("model."): value for key, value in settings.items()}
    try:
        return ModelSection.model_validate({**base.model_dump(), **changed})
    except ValidationError as error:
        raise InvalidRequest("; ".join(describe(error, "model")), code="bad_setting") from None


def describe(error: ValidationError, prefix: str = "") -> list[str]:
    """One line a problem: dotted path, what is allowed, and the value that is not."""
    return list(dict.fromkeys(_line(detail, prefix) for detail in error.errors()))


def _line(detail: ErrorDetails, prefix: str) -> str:
    path = ".".join(str(part) for part in (prefix, *detail["loc"]) if part != "")
    if detail["type"] == "extra_forbidden":
        return f"{path}: there is no such key"
    if detail["type"] == "model_type":
        return f"{path}: must be a table of keys, not {detail['input']!r}"
    text = detail["msg"].removeprefix("Value error, ")
    shown = "" if detail["type"] == "value_error" or isinstance(detail["input"], dict) else f", not {detail['input']!r}"
    return f"{path}: {text}{shown}" if path else text


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as TOML: {error}") from error
