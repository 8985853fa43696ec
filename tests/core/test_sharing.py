"""The proof of sharing, from the figures of loads as llama.cpp reports them."""

import pytest

from supervisor.core.ledger import Forecast
from supervisor.core.sharing import FileMapping, Load, Memory, Proof, judge

MB = 10**6
SIZE = 1_055_260_000
SHARED = Load(mapped_bytes=1_053_829_366, copied_bytes=0, repacked=False)  # SmolLM2-1.7B's shape, Q4_K_M, on a CPU
NEEDS = Forecast(kv_bytes=400 * MB, compute_bytes=35 * MB, base_bytes=60 * MB, weights_bytes=SIZE)
LINUX = Memory(472 * MB, 900 * MB, FileMapping(1_053 * MB, 0))


def test_a_load_that_shares_is_proven() -> None:
    """With who shares, and own bytes beside the forecast."""
    proof = judge(SHARED, SIZE, NEEDS, LINUX, ["blue"])

    assert isinstance(proof, Proof)
    assert proof.detail == "1,054 MB of weights mapped, shared with blue, 0 MB copied; own 472 MB of 495 MB forecast"
    assert (proof.forecast_bytes, proof.shared_with) == (495 * MB, ("blue",))


@pytest.mark.parametrize(
    "load",
    [
        Load(1_000 * MB, 50 * MB, False),  # a copied output matrix of a tied embedding
        Load(1_053 * MB, 0, False, 0),  # Metal: `MTL0_Mapped` buffers are mapped ones
        Load(80 * MB, 0, False, 970 * MB),  # CUDA: layers on the device, embeddings mapped
        Load(0, 0, False, SIZE),  # all of it
    ],
)
def test_other_honest_loads_are_not_refused(load: Load) -> None:
    """Small copies are normal, and weights on a device are no copies."""
    assert isinstance(judge(load, SIZE, NEEDS, Memory()), Proof)


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        (Load(SIZE, 729 * MB, True), "copied 729 MB of weights into repacked buffers"),
        (Load(SIZE, 1, True), "repacked buffers"),
        (Load(300 * MB, 750 * MB, False), "copied 750 MB of the 1,055 MB"),
        (Load(500 * MB, 0, False), "mapped 500 MB of a model file of 1,055 MB"),
        (Load(0, 0, False), "mapped 0 MB"),
    ],
)
def test_weights_held_otherwise_are_no_proof(load: Load, reason: str) -> None:
    """Two workers would not fit where one did."""
    found = judge(load, SIZE, NEEDS, LINUX)
    assert isinstance(found, str) and reason in found


@pytest.mark.parametrize(
    ("memory", "reason"),
    [
        (Memory(472 * MB, None, FileMapping(0, 0)), "read the file instead of mapping it"),
        (Memory(472 * MB, None, FileMapping(SIZE, 9 * MB)), "9 MB of the model's mapping are private copies"),
        (Memory(577 * MB, None, FileMapping(SIZE, 0)), "holds 577 MB of its own, and 495 MB were forecast"),
    ],
)
def test_the_system_is_believed_over_the_worker(memory: Memory, reason: str) -> None:
    """What it shows of the process, where it does."""
    found = judge(SHARED, SIZE, NEEDS, memory)
    assert isinstance(found, str) and reason in found


def test_the_forecast_may_be_missed_by_a_tolerance() -> None:
    """A tenth and 32 MB: 576.5 MB here."""
    assert isinstance(judge(SHARED, SIZE, NEEDS, Memory(576 * MB)), Proof)
    assert isinstance(judge(SHARED, SIZE, NEEDS, Memory(577 * MB)), str)


def test_a_driver_may_hold_memory_in_the_process() -> None:
    """With weights on a device neither its private bytes nor its mapping prove anything."""
    offloaded = Load(80 * MB, 0, False, 970 * MB)
    assert isinstance(judge(offloaded, SIZE, NEEDS, Memory(3_000 * MB, None, FileMapping(0, 0))), Proof)
