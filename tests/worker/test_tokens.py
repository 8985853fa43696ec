"""/tokenize and /detokenize: the model's own tokens, told as llama-server tells them."""

import struct
from pathlib import Path
from typing import Any

import gguf
import httpx
import pytest
from disposable.waiting import until
from disposable.worker import write_release
from tests.worker.harness import BABBLE, DEADLINE_S, Worker, error_of, post_and_keep, release_record, running
from tools.random_gguf import Shape, vocabulary, write_random_gguf

TEXT = "My name is Ada, née 媽 🤗."


def post(worker: Worker, path: str, body: dict[str, Any]) -> httpx.Response:
    return httpx.post(worker.url + path, json=body, timeout=DEADLINE_S)


def tokens(worker: Worker, content: str, **options: Any) -> list[Any]:
    found: list[Any] = post(worker, "/tokenize", {"content": content, **options}).json()["tokens"]
    return found


@pytest.mark.parametrize("text", [TEXT, "", "Hello", "a\x00b", "x" * 200_000])
def test_a_text_comes_back_from_its_tokens(shared: Worker, text: str) -> None:
    """Ids are whole numbers."""
    found = tokens(shared, text)
    assert all(isinstance(token, int) for token in found) and bool(found) == bool(text)
    assert post(shared, "/detokenize", {"tokens": found}).json() == {"content": text}


def test_they_are_the_tokens_that_prompts_are_made_of(shared: Worker) -> None:
    """As many as a completion counts for them."""
    ids = tokens(shared, "My name is Ada.", add_special=True)
    answer = post(shared, "/v1/completions", {"prompt": "My name is Ada.", "max_tokens": 1})
    assert answer.json()["usage"]["prompt_tokens"] == len(ids)


def test_pieces_are_text_or_the_bytes_of_a_part_of_a_character(shared: Worker) -> None:
    """Together they are the whole text."""
    pieces = tokens(shared, TEXT, with_pieces=True)
    assert [each["id"] for each in pieces] == tokens(shared, TEXT)
    told = [each["piece"] for each in pieces]
    assert any(isinstance(each, list) for each in told)
    assert b"".join(each.encode() if isinstance(each, str) else bytes(each) for each in told).decode() == TEXT


def test_control_tokens_are_known_by_their_names(folder: Path) -> None:
    """Unless they are to be text; null is the same as nothing."""
    write_random_gguf(Shape(), "F16", 1, folder / "m.gguf")
    end = vocabulary(300)[0].index("<|im_end|>")
    with running(folder, write_release(folder, release_record(folder / "m.gguf"))) as worker:
        worker.wait_ready()
        assert tokens(worker, "<|im_end|>") == tokens(worker, "<|im_end|>", parse_special=None) == [end]
        assert end not in tokens(worker, "<|im_end|>", parse_special=False)
        assert tokens(worker, "<|im_end|>", with_pieces=True) == [{"id": end, "piece": "<|im_end|>"}]


def test_what_the_model_wants_around_a_text_is_there_when_asked_for(folder: Path) -> None:
    """This one wants a token at its begin; its file is the usual one, but for that."""
    write_random_gguf(Shape(), "F16", 1, folder / "m.gguf")
    content = (folder / "m.gguf").read_bytes()
    before, key, after = content.partition(b"tokenizer.ggml.add_bos_token" + struct.pack("<I", gguf.GGUFValueType.BOOL))
    (folder / "m.gguf").write_bytes(before + key + b"\x01" + after[1:])
    with running(folder, write_release(folder, release_record(folder / "m.gguf"))) as worker:
        worker.wait_ready()
        begin, *rest = tokens(worker, "Hello", add_special=True)
        assert begin == 1 and rest == tokens(worker, "Hello") == tokens(worker, "Hello", add_special=False)


@pytest.mark.parametrize(
    ("path", "body", "code", "words"),
    [
        ("/tokenize", {}, "invalid_field", "content"),
        ("/tokenize", {"content": ["a"]}, "invalid_field", "content"),
        ("/tokenize", {"content": "a", "add_special": "yes"}, "invalid_field", "add_special"),
        ("/tokenize", {"content": "a" * 100_001, "with_pieces": True}, "invalid_field", "with_pieces"),
        ("/detokenize", {"tokens": [-1]}, "invalid_field", "tokens"),
        ("/detokenize", {"tokens": ["a"]}, "invalid_field", "tokens"),
        ("/detokenize", {"tokens": [10**6]}, "prompt_refused", "there is no token 1000000"),
    ],
)
def test_what_is_wrong_is_told(shared: Worker, path: str, body: dict[str, Any], code: str, words: str) -> None:
    answer = post(shared, path, body)
    assert (answer.status_code, error_of(answer)["code"]) == (400, code)
    assert words in error_of(answer)["message"]


def test_they_are_told_while_all_slots_decode_and_refused_when_the_queue_is_full(folder: Path, babble: Path) -> None:
    """They wait for no slot, but there is a limit to how many come at once."""
    record = release_record(babble, context_tokens=8192, slots=1, queue_limit=1)
    with running(folder, write_release(folder, record)) as worker:
        worker.wait_ready()
        with post_and_keep(worker.port, BABBLE):
            until(lambda: worker.deep()["engine"]["in_flight"] == 1, "the slot is taken")
            assert tokens(worker, "Hello")
            with post_and_keep(worker.port, BABBLE):
                until(lambda: worker.deep()["engine"]["waiting"] == 1, "the queue is full")
                refused = post(worker, "/tokenize", {"content": "Hello"})
                assert (refused.status_code, error_of(refused)["code"]) == (429, "queue_full")
                assert int(refused.headers["retry-after"]) >= 1
