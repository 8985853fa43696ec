"""Small pure parts of the worker and the engine: readiness, guard, load log, threads."""

import re
import socket
from dataclasses import replace
from importlib.resources import files

import pytest

from modelsvc.engine import errors
from modelsvc.engine.load_log import failure_reason, weight_buffers
from modelsvc.engine.types import Snapshot
from modelsvc.worker.errors import HttpError
from modelsvc.worker.generations import as_http
from modelsvc.worker.guard import check_host, check_origin
from modelsvc.worker.options import useful_threads
from modelsvc.worker.server import IDLE_MS, listen
from modelsvc.worker.state import FAILED_STEPS, PREFILL_STALL_S, STALL_S, Phase, why_not_ready


def snapshot(alive: bool = True, age: float | None = None, prefilling: bool = False) -> Snapshot:
    return Snapshot(
        alive=alive,
        slots=4,
        cached_tokens=0,
        in_flight=1,
        waiting=0,
        prefilling=prefilling,
        last_decode_age_s=age,
        oldest_wait_s=None,
    )


@pytest.mark.parametrize(
    ("phase", "engine", "code"),
    [
        (Phase.LOADING, None, "loading"),
        (Phase.FAILED, None, "failed"),
        (Phase.STOPPING, snapshot(), "stopping"),
        (Phase.READY, snapshot(alive=False), "engine_dead"),
        (Phase.READY, snapshot(age=STALL_S + 1), "stalled"),
        (Phase.READY, snapshot(age=STALL_S - 1), None),
        (Phase.READY, snapshot(age=150, prefilling=True), None),
        (Phase.READY, snapshot(age=PREFILL_STALL_S + 1, prefilling=True), "stalled"),
        (Phase.READY, snapshot(age=None), None),
        (Phase.READY, replace(snapshot(), failed_steps=FAILED_STEPS), "decoding_fails"),
        (Phase.READY, replace(snapshot(), failed_steps=FAILED_STEPS - 1), None),
    ],
)
def test_readiness_says_what_is_wrong(phase: Phase, engine: Snapshot | None, code: str | None) -> None:
    """A hung decode is not ready; an idle or busy engine is, also one that is slow at a prompt."""
    reason = why_not_ready(phase, engine)
    assert (reason.code if reason else None) == code


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.QueueFull(3, 7), 429, "queue_full"),
        (errors.PromptTooLong(9, 8), 400, "prompt_too_long"),
        (errors.PromptRefused("no"), 400, "prompt_refused"),
        (errors.SamplingRefused("no"), 400, "prompt_refused"),
        (errors.ToolsRefused("no"), 400, "tools_not_supported"),
        (errors.EmbeddingsRefused(), 400, "embeddings_not_supported"),
        (errors.GrammarTooSlow("slow"), 400, "grammar_too_slow"),
        (errors.DeadlineExceeded(3.0), 429, "deadline_exceeded"),
        (errors.DecodeFailed("no"), 503, "engine_failed"),
        (errors.EngineStopped("no"), 503, "engine_failed"),
    ],
)
def test_each_failure_of_the_engine_has_its_status_and_code(error: errors.EngineError, status: int, code: str) -> None:
    """Also one that is a kind of another."""
    told = as_http(error)
    assert (told.status, told.code) == (status, code)
    assert str(error) in told.message


def test_nginx_closes_idle_connections_before_the_worker_does() -> None:
    """Else a request could meet a connection that is just being closed."""
    template = (files("supervisor") / "nginx/nginx.conf.j2").read_text()
    kept = re.search(r"^\s*keepalive_timeout (\d+)s;$", template, re.MULTILINE)
    assert kept
    assert int(kept[1]) * 1000 < IDLE_MS


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000", "a.test", "a.test.:80"])
def test_local_and_configured_hosts_pass(host: str) -> None:
    check_host(host, ["A.test"])
    check_origin(f"http://{host}", ["A.test"], [])


@pytest.mark.parametrize(
    "host", [None, "", "evil.test", "localhost.evil.test", "evil.test:localhost", "[::1", "@a.test@b"]
)
def test_other_hosts_do_not(host: str | None) -> None:
    """A rebound DNS name carries itself in Host."""
    with pytest.raises(HttpError, match="allowed_hosts"):
        check_host(host, ["a.test"])


@pytest.mark.parametrize("origin", ["null", "https://evil.test", "http://localhost.evil.test", "file://"])
def test_pages_of_other_sites_do_not(origin: str) -> None:
    """A form on any page could post here otherwise."""
    for named in ((), ("http://evil.test", "https://evil.test:8443")):
        with pytest.raises(HttpError, match="other sites"):
            check_origin(origin, ["a.test"], named)


@pytest.mark.parametrize("origin", ["https://evil.test", "null", "http://evil.test:3000"])
def test_pages_of_origins_that_are_named_may_ask(origin: str) -> None:
    """Each exactly, or all of them."""
    for named in ((origin,), ("*",)):
        check_origin(origin, ["a.test"], named)


def test_the_load_log_tells_mapped_from_copied() -> None:
    lines = [
        "load_tensors:   CPU_Mapped model buffer size =  1000.00 MiB",
        "x: CPU_REPACK model buffer size = 2.50 MiB",
    ]
    assert weight_buffers(lines[:1]) == weight_buffers([*lines[:1], "noise"])
    found = weight_buffers(lines)
    assert (found.mapped_bytes, found.copied_bytes, found.repacked) == (1000 * 2**20, 2621440, True)
    assert found.device_bytes == 0


def test_weights_on_a_device_are_no_copies() -> None:
    """CUDA holds layers in its own memory; Metal maps the file for the GPU; a pinned host buffer is a copy."""
    found = weight_buffers(
        [
            "load_tensors:        CUDA0 model buffer size =   900.00 MiB",
            "load_tensors:    CUDA_Host model buffer size =    50.00 MiB",
            "load_tensors:  MTL0_Mapped model buffer size =   100.00 MiB",
        ]
    )
    assert (found.mapped_bytes, found.copied_bytes, found.device_bytes) == (100 * 2**20, 50 * 2**20, 900 * 2**20)
    assert not found.repacked


def test_the_reason_of_a_failed_load_is_llama_cpps_own() -> None:
    log = [
        (2, "llama_model_loader: loaded meta data"),
        (4, "llama_model_load: error loading model: error loading model architecture: unknown model architecture: 'x'"),
        (4, "llama_model_load_from_file_impl: failed to load model"),
    ]
    assert failure_reason(log, "none") == "error loading model architecture: unknown model architecture: 'x'"
    assert failure_reason([], "none") == "none"


@pytest.mark.parametrize(("mib", "cores", "threads"), [(2, 8, 1), (100, 8, 4), (1000, 8, 8), (1000, 2, 2)])
def test_tiny_models_take_few_threads(mib: int, cores: int, threads: int) -> None:
    assert useful_threads(mib * 2**20, cores) == threads


def test_small_pieces_of_an_answer_are_sent_at_once() -> None:
    """The first token must not wait until the head of its answer is acknowledged."""
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        listener.setblocking(True)
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
