"""What the worker's metrics count, against what its answers say."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from tests.worker.harness import BABBLE, Worker, post_and_keep, until


def samples(worker: Worker) -> dict[str, float]:
    families = text_string_to_metric_families(worker.get("/metrics").text)
    return {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}


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
