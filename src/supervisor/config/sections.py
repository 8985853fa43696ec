"""The tables of the configuration file. Their docstrings and descriptions are what the file and its reference say."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from supervisor.config.values import (
    AnyPath,
    Command,
    Events,
    Gigabytes,
    GpuLayers,
    KeysFile,
    Listen,
    LoopbackListen,
    ModelPath,
    Origins,
    Pattern,
    Port,
    Program,
    Retention,
    Seconds,
    Share,
    Temperature,
    Textfile,
    TopK,
    Unit,
)
from supervisor.listen import EDGE_LISTEN


class Effect(StrEnum):
    """When what was edited in the file is taken up."""

    DEPLOYMENT = "with the next deployment, and at the next start"
    START = "at the next start"


class Section(BaseModel):
    """Closed to unknown keys, and to values of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    effect: ClassVar[Effect] = Effect.START


class ModelSection(Section):
    """What a worker runs. `modelsvc ctl deploy` changes any of it under traffic: --model, or --set model.KEY=VALUE."""

    effect: ClassVar[Effect] = Effect.DEPLOYMENT

    path: ModelPath = Field(
        "", description="GGUF file; relative: to the file's folder, ~ allowed; empty: the built-in demo model"
    )
    context_tokens: Annotated[int, Unit("tokens")] = Field(
        4096,
        ge=128,
        le=1_048_576,
        description="tokens of prompt and answer together that the KV cache holds, shared by all slots",
    )
    slots: Annotated[int, Unit("requests")] = Field(4, ge=1, le=64, description="requests decoded together")
    threads: Annotated[int, Unit("threads")] = Field(
        0,
        ge=0,
        le=512,
        description="CPU threads; 0: as many as help this model, at most one for each physical core",
    )
    gpu_layers: Annotated[GpuLayers, Unit("layers")] = Field(
        "auto", description='layers on the GPU; "auto": all where the build has one (Metal), none elsewhere'
    )
    kv_cache: Literal["f16", "q8_0"] = Field(
        "f16", description='element type of the KV cache: "f16", or "q8_0" for about half the memory'
    )
    queue_limit: Annotated[int, Unit("requests")] = Field(
        64, ge=1, le=10_000, description="requests that may wait for a slot; one more is answered 429"
    )
    system_prompt: str = Field(
        "", max_length=20_000, description="begins each chat that has no system message of its own; empty: none"
    )
    temperature: Temperature = Field("auto", description='where a request names none; "auto": 0.7 at /chat, 1 at /v1')
    top_k: TopK = Field("auto", description='drawn from so many; "auto": the usual, unless one of these three is set')
    top_p: Share = Field("auto", description="drawn from the likeliest that come to this share; 1: from all")
    min_p: Share = Field("auto", description="none that is less likely than this share of the likeliest; 0: any")
    repeat_penalty: Annotated[float, Unit("factor")] = Field(
        1.0, gt=0, le=10, description="divides the logits of the last 64 tokens; 1: none"
    )


class EdgeSection(Section):
    """nginx in front: the address that clients use, whatever runs behind it."""

    listen: Listen = Field(
        EDGE_LISTEN,
        description='numeric address and port; IPv6 as "[::1]:8080"; all of this machine\'s: "0.0.0.0:8080"',
    )
    nginx: Program = Field("nginx", description="command or path")
    hold_timeout_s: Seconds = Field(
        30.0, description="seconds that a request may wait while no worker serves; then it is answered 503"
    )
    hold_limit: Annotated[int, Unit("requests")] = Field(
        64,
        ge=1,
        le=1000,
        description="requests that may wait so, no more than model.queue_limit takes at once; one more: 503",
    )


class WorkersSection(Section):
    """The two colours. Workers listen on 127.0.0.1."""

    blue_port: Port = Field(8000, description="port of the blue worker")
    green_port: Port = Field(8001, description="port of the green worker")
    stop_timeout_s: Seconds = Field(
        30.0,
        description="seconds from SIGTERM to SIGKILL; where streams may still run, deploy.drain_timeout_s if longer",
    )
    crash_limit: Annotated[int, Unit("crashes")] = Field(
        6,
        ge=1,
        le=1000,
        description="crashes in a row after which a worker is not started again until somebody asks",
    )


class MemorySection(Section):
    """Limits in units of 10^9 bytes. A shared model file counts once, however many workers map it."""

    budget_gb: Gigabytes = Field(
        8.0, description="supervisor, nginx, both workers, model files; a deployment that would need more is refused"
    )
    worker_limit_gb: Gigabytes = Field(2.0, description="one worker's own memory, without the model file")


class DeploySection(Section):
    """How patient a deployment is, and how strict with the new worker."""

    ready_timeout_s: Seconds = Field(180.0, description="seconds a new worker may take to load its model")
    drain_timeout_s: Seconds = Field(
        300.0, description="seconds that running answers are waited for: in a deployment, and at a shutdown"
    )
    bake_s: Annotated[float, Unit("seconds")] = Field(
        10.0,
        ge=0,
        le=86_400,
        description="seconds the new worker is watched, with the old one there to go back to; 0: none",
    )
    bake_max_error_rate: Annotated[float, Unit("share")] = Field(
        0.05,
        ge=0,
        le=1,
        description="share of the requests in that watch that may fail; more: back to the old one",
    )
    bake_max_latency_ratio: Annotated[float, Unit("times the old worker's")] = Field(
        3.0,
        ge=0,
        le=1000,
        description="latency against the old worker's, in proportion to a larger model; more: back; 0: any",
    )
    keep_previous: bool = Field(
        True,
        description="keep the old worker warm for an instant rollback; false: stop it and save its memory",
    )


class ControlSection(Section):
    """The supervisor's own doors."""

    socket: AnyPath = Field(
        "", description="empty: run/control.sock in the state folder; relative: to the file's folder"
    )
    metrics_listen: Listen = Field(
        "127.0.0.1:9180", description="status page, and Prometheus metrics of the supervisor"
    )
    textfile: Textfile = Field(
        "", description="the same metrics as a file, NAME.prom, for a node exporter to collect; empty: none"
    )


class MonitorSection(Section):
    """The Prometheus that `modelsvc monitor up` runs beside the service; see docs/monitoring.md."""

    prometheus: Program = Field(
        "prometheus", min_length=1, description="command or path; promtool is looked for beside it"
    )
    listen: LoopbackListen = Field("127.0.0.1:9090", description="loopback only: Prometheus asks nobody for a key")
    retention: Retention = Field("24h", description="how long samples are kept")


class SecuritySection(Section):
    """Who may ask."""

    api_keys_file: KeysFile = Field(
        "", description="keys of `modelsvc keys add`, read again as they change; empty: all may ask"
    )
    allowed_hosts: list[str] = Field(
        ["localhost", "127.0.0.1"],
        min_length=1,
        description='Host headers that are answered, against DNS rebinding; "*": any',
    )
    allowed_origins: Origins = Field(
        [],
        max_length=100,
        description='web pages that may ask (CORS), such as "http://localhost:3000"; "*": all',
    )

    @model_validator(mode="after")
    def _not_everything_to_everyone(self) -> Self:
        if "*" in self.allowed_origins and not self.api_keys_file:
            raise ValueError(
                'allowed_origins "*" would let every web page that somebody here looks at ask, and read conversations:'
                " set api_keys_file as well, or name the origins"
            )
        return self


class WatchSection(Section):
    """The watch on this file and on the model file; see docs/operations.md."""

    enabled: bool = Field(False, description="true: an edit of [model] and a new model file are deployed by themselves")
    debounce_s: Annotated[float, Unit("seconds")] = Field(
        1.0, ge=0.1, le=3600, description="seconds without a further change before the files are looked at"
    )


class GateSection(Section):
    """Prompts that a new release must answer before it gets requests; as many tables as wanted. They are asked at
    temperature 0, beside the traffic that the old worker serves, so set the floors of speed well below what an idle
    machine reaches.
    """

    effect: ClassVar[Effect] = Effect.DEPLOYMENT

    prompt: str = Field(
        min_length=1, max_length=100_000, description="what is asked", examples=["What is the capital of France?"]
    )
    expect: str = Field("", description="the answer contains this text", examples=["Paris"])
    pattern: Pattern = Field("", description="and a match of this regular expression", examples=[r"(?i)\bparis\b"])
    same_as_active: bool = Field(
        False, description="true: the active worker's very answer, where both serve one model file"
    )
    max_tokens: Annotated[int, Unit("tokens")] = Field(32, ge=1, le=4096, description="the answer's length at most")
    max_first_token_s: Annotated[float, Unit("seconds")] = Field(
        0.0, ge=0, le=86_400, description="seconds to the first token at most; 0: not judged"
    )
    min_tokens_per_second: Annotated[float, Unit("tokens per second")] = Field(
        0.0, ge=0, le=1_000_000, description="speed at least; 0: not judged"
    )


class HookSection(Section):
    """Commands that are run when something happens; as many tables as wanted, read when the service is started. Each
    gets the event as one line of JSON on its stdin. What events there are, and what a command finds around it:
    docs/operations.md.
    """

    on: Events = Field(
        min_length=1,
        max_length=100,
        description='names of events, or "*" for all',
        examples=[["deployment_ended", "worker_crashed"]],
    )
    command: Command = Field(
        description="program, arguments, no shell; a relative path: from the file's folder",
        examples=[["/usr/local/bin/notify", "ops"]],
    )
    timeout_s: Annotated[float, Unit("seconds")] = Field(
        10.0, gt=0, le=3600, description="seconds after which it is ended"
    )
