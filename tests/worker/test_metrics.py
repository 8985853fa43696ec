"""What the worker's metrics count, against what its answers say."""

import sys
from dataclasses import replace
from typing import Any

import httpx
import psutil
import pytest
from disposable.waiting import until
from prometheus_client.parser import text_string_to_metric_families
from tests.worker.harness import BABBLE, Worker, post_and_keep

from modelsvc.engine.types import Snapshot
from modelsvc.worker.metrics import Metrics
from supervisor.memory.usage import measure


def samples(worker: Worker) -> dict[str, float]:
    families = text_string_to_metric_families(worker.get("/metrics").text)
    return {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}


def labelled(worker: Worker, name: str) -> dict[tuple[str, ...], float]:
    """By the values of its labels, which are in the order of their names."""
    families = text_string_to_metric_families(worker.get("/metrics").text)
    found = (sample for family in families for sample in family.samples if sample.name == name)
    return {tuple(value for _, value in sorted(sample.labels.items())): sample.value for sample in found}


def test_tokens_steps_and_gaps_add_up(worker: Worker) -> None:
    """Each prompt token is computed or was; each later token of an answer is a step's, and ends a gap."""
    answers: list[dict[str, Any]] = [worker.chat("Count to 10.").json()["usage"] for _ in range(3)]
    prompts = sum(usage["prompt_tokens"] for usage in answers)
    cached = sum(usage["cached_tokens"] for usage in answers)
    completions = sum(usage["completion_tokens"] for usage in answers)
    found = samples(worker)
    assert cached > prompts / 2
    assert found["modelsvc_prompt_tokens_total"] == prompts
    assert found["modelsvc_cached_tokens_total"] == cached
    assert found["modelsvc_completion_tokens_total"] == completions
    # The model ends each answer by a token that is no part of it: one more gap, and as many steps as gaps.
    assert found["modelsvc_inter_token_seconds_count"] == completions
    assert found["modelsvc_step_tokens_sum"] == prompts - cached + completions
    assert found["modelsvc_step_seconds_count"] == len(answers) + completions
    for name in ("queue", "time_to_first_token", "decode"):
        assert found[f"modelsvc_{name}_seconds_count"] == len(answers)
    assert found["modelsvc_engine_slots"] == 2
    assert found["modelsvc_engine_cache_tokens"] > 0


def test_slots_and_queue_are_seen_while_they_are_busy(babbler: Worker) -> None:
    """Two slots: two run, the others wait."""
    clients = [post_and_keep(babbler.port, BABBLE) for _ in range(5)]
    until(lambda: samples(babbler)["modelsvc_engine_waiting_requests"] == 3, "three wait")
    assert samples(babbler)["modelsvc_engine_running_requests"] == 2
    for client in clients:
        client.close()
    until(lambda: samples(babbler)["modelsvc_engine_running_requests"] == 0, "all slots are free")


def test_buckets_reach_beyond_a_minute(shared: Worker) -> None:
    """An answer on a small machine may take minutes, and must not vanish in the last bucket."""
    text = shared.get("/metrics").text
    for name in ("time_to_first_token", "queue", "decode", "inter_token"):
        assert f'modelsvc_{name}_seconds_bucket{{le="60.0"}}' in text
        assert (
            f'modelsvc_{name}_seconds_bucket{{le="180.0"}}' in text
            or f'modelsvc_{name}_seconds_bucket{{le="300.0"}}' in text
        )


def test_requests_and_errors_are_counted_by_route_and_code(worker: Worker) -> None:
    """Whoever answers them: the framework, a route, or what stands before both. Made-up paths make no labels."""
    worker.chat("Hello.")
    httpx.post(f"{worker.url}/chat", content=b"{")
    worker.get("/chat/../made/up")
    worker.get("/made/up/too")
    httpx.get(f"{worker.url}/healthz", headers={"Host": "evil.example"})

    requests, errors = labelled(worker, "modelsvc_http_requests_total"), labelled(worker, "modelsvc_http_errors_total")
    assert requests["200", "/chat"] == 1
    assert requests["400", "/chat"] == 1
    assert requests["404", "unmatched"] == 2
    assert requests["403", "unmatched"] == 1  # refused before its route was looked for
    assert errors == {("invalid_json",): 1, ("no_such_route",): 2, ("host_not_allowed",): 1}
    assert labelled(worker, "modelsvc_http_request_duration_seconds_count")["/chat",] == 2
    assert labelled(worker, "modelsvc_http_request_duration_seconds_sum")["/chat",] > 0
    slowest = max(
        float(le) for le, *_ in labelled(worker, "modelsvc_http_request_duration_seconds_bucket") if le != "+Inf"
    )
    assert slowest == 600


def test_a_stream_is_in_flight_to_its_end(babbler: Worker) -> None:
    """As is whatever waits for a slot; the scrape leaves itself out."""
    assert samples(babbler)["modelsvc_http_requests_in_flight"] == 0
    clients = [post_and_keep(babbler.port, BABBLE | {"stream": True}) for _ in range(3)]
    until(lambda: samples(babbler)["modelsvc_http_requests_in_flight"] == 3, "all are being answered")
    for client in clients:
        client.close()
    until(lambda: samples(babbler)["modelsvc_http_requests_in_flight"] == 0, "all are over")


def test_the_process_tells_of_itself(shared: Worker) -> None:
    """What it holds alone, by the supervisor's count, what it shares, and what dashboards ask of every process."""
    found = samples(shared)
    assert 0 < found["modelsvc_process_private_memory_bytes"] < found["modelsvc_process_resident_memory_bytes"]
    its = measure(psutil.Process(shared.process.pid))
    assert its is not None
    assert found["modelsvc_process_private_memory_bytes"] == pytest.approx(its.private_bytes, rel=0.1)
    assert found["modelsvc_process_shared_model_bytes"] == shared.deep()["model"]["mapped_bytes"]
    assert found["modelsvc_model_load_seconds"] > 0
    if sys.platform == "linux":
        assert found["process_cpu_seconds_total"] > 0 and found["process_open_fds"] > 3


@pytest.mark.parametrize(("age_s", "told"), [(None, 0.0), (0.02, 0.02), (41.5, 41.5)])
async def test_a_stall_is_as_long_as_work_has_waited_for_a_step(age_s: float | None, told: float) -> None:
    """By the figure that readiness goes by; without work there is none. Before the model is loaded nothing is."""
    metrics, loaded = Metrics("blue", 7, "1.0"), list[Snapshot]()
    metrics.watch(lambda: loaded[0] if loaded else None, lambda: None)
    assert b"modelsvc_engine_stalled_seconds 0.0" in await metrics.render()
    idle = Snapshot(True, 2, 0, 0, 0, prefilling=False, last_decode_age_s=None, oldest_wait_s=None)
    loaded.append(replace(idle, last_decode_age_s=age_s))
    assert f"modelsvc_engine_stalled_seconds {told}".encode() in await metrics.render()
