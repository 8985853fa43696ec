"""llama.cpp as it is installed: whether it runs here at all, and what it was built for."""

import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator, Set
from dataclasses import dataclass

from modelsvc.doctor import processors
from modelsvc.doctor.findings import Finding, found
from modelsvc.doctor.situation import Situation
from supervisor.config import Config
from supervisor.formats import signal_name

TIMEOUT_S = 30.0  # a cold import from a slow disk
COMMAND = (sys.executable, "-P", "-m", "modelsvc.engine.capabilities")
COMPILE_AGAIN = (
    f"compile it for this machine: `{sys.executable} -m pip install --force-reinstall --no-deps --no-cache-dir"
    " --no-binary llama-cpp-python llama-cpp-python`"
)


@dataclass(frozen=True, slots=True)
class Build:
    """What the library says of itself."""

    version: str
    system_info: str
    mmap: bool
    gpu_offload: bool


def check(situation: Situation) -> Iterator[Finding]:
    """Why it does not run, or what it can do."""
    try:
        done = subprocess.run(
            COMMAND, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        yield found("llama_silent", f"llama.cpp did not load within {TIMEOUT_S:g} s", COMPILE_AGAIN)
        return
    if done.returncode:
        yield _failed(done.returncode, done.stderr)
        return
    build = Build(**json.loads(done.stdout.splitlines()[-1]))
    yield from judge(build, processors.of_this_machine(), situation.config, _is_apple_silicon())


def judge(build: Build, processor: Set[str], config: Config, apple_silicon: bool) -> Iterator[Finding]:
    """What the build lacks, or lacks a processor for. An empty `processor` is one that nobody could ask."""
    built = processors.built_with(build.system_info)
    troubles = [
        *(_processor(built, processor) if processor else ()),
        *(() if build.mmap else (_no_mmap(build),)),
        *_gpu(build, config, apple_silicon),
    ]
    yield from troubles
    if not troubles:
        threads = config.model.threads or "as many as help"
        gpu = "on the GPU" if build.gpu_offload else "on the processor"
        yield found(
            "llama_ok",
            f"llama-cpp-python {build.version}, {gpu}, mmap, threads: {threads} of {os.cpu_count()};"
            f" {' '.join(sorted(built))}",
        )


def _processor(built: Set[str], processor: Set[str]) -> Iterator[Finding]:
    if missing := processors.lacking(built, processor):
        yield found(
            "llama_for_another_cpu",
            f"llama.cpp was built with {', '.join(missing)}, which this processor does not have: workers will crash",
            COMPILE_AGAIN,
        )
    elif idle := processors.unused(built, processor):
        yield found(
            "llama_slower", f"this processor has {', '.join(idle)}, and llama.cpp was built without", COMPILE_AGAIN
        )


def _no_mmap(build: Build) -> Finding:
    seen = f"llama-cpp-python {build.version} cannot map model files, so that two workers hold the weights twice"
    return found("llama_no_mmap", seen, COMPILE_AGAIN)


def _gpu(build: Build, config: Config, apple_silicon: bool) -> Iterator[Finding]:
    layers = config.model.gpu_layers
    if build.gpu_offload:
        return
    if apple_silicon:
        yield found("llama_no_gpu", "llama.cpp was built without Metal, and this Mac has it", COMPILE_AGAIN)
    elif layers not in ("auto", 0):
        yield found(
            "llama_no_gpu",
            f"model.gpu_layers is {layers}, and llama.cpp was built without a GPU: all layers stay on the processor",
            'set model.gpu_layers = "auto", or compile llama-cpp-python with CMAKE_ARGS for the GPU',
        )


def _failed(code: int, stderr: str) -> Finding:
    last = (stderr.strip().splitlines() or ["it said nothing"])[-1]
    if code < 0:
        why = ", an instruction this processor does not have," if -code == signal.SIGILL else ""
        return found(
            "llama_crashed", f"llama.cpp ended by {signal_name(-code)}{why} while it was loaded", COMPILE_AGAIN
        )
    return found("llama_missing", f"llama.cpp cannot be loaded: {last}", COMPILE_AGAIN)


def _is_apple_silicon() -> bool:
    return sys.platform == "darwin" and platform.machine() == "arm64"
