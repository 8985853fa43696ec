"""What a release gives to requests that do not say it: a system prompt, and how tokens are drawn."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from disposable.worker import write_release
from tests.worker.harness import DEADLINE_S, Worker, error_of, release_record, running
from tools.random_gguf import Shape, write_random_gguf

from modelsvc.engine.types import Message, Sampling
from modelsvc.worker.defaults import Defaults, defaults_of
from modelsvc.worker.openai.wanted import Wanted, sampling
from modelsvc.worker.release import read_release

HELLO = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}
OWN = {**HELLO, "messages": [{"role": "system", "content": "Be rude."}, *HELLO["messages"]]}  # type: ignore[misc]


@pytest.mark.parametrize(
    ("named", "wanted", "expected"),
    [
        ({}, Wanted(), Sampling(1.0, top_k=40, top_p=1.0, min_p=0.05)),
        ({"temperature": 0.0}, Wanted(), Sampling(0.0, top_k=40, top_p=1.0, min_p=0.05)),
        ({"temperature": 0.5, "top_p": 0.8}, Wanted(), Sampling(0.5, top_k=0, top_p=0.8, min_p=0.0)),
        ({"top_k": 5, "min_p": 0.0}, Wanted(top_p=0.9), Sampling(1.0, top_k=0, top_p=0.9, min_p=0.0)),
        ({"temperature": 0.5}, Wanted(temperature=0.0), Sampling(0.0, top_k=40, top_p=1.0, min_p=0.05)),
        ({"repeat_penalty": 1.1}, Wanted(), Sampling(1.0, 40, 1.0, 0.05, repeat_penalty=1.1)),
        ({"repeat_penalty": 1.1}, Wanted(repeat_penalty=1.0), Sampling(1.0, 40, 1.0, 0.05)),
    ],
)
def test_the_request_has_the_last_word(
    folder: Path, model: Path, named: Any, wanted: Wanted, expected: Sampling
) -> None:
    """Else the release's, else the usual ones."""
    release = read_release(write_release(folder, release_record(model, **named)))
    assert sampling(wanted, 0, None, defaults_of(release.settings)) == expected


def test_a_system_prompt_is_for_chats_that_have_none() -> None:
    """And comes first."""
    said = [Message("user", "Hello")]
    assert Defaults().with_system_prompt(said) == tuple(said)
    assert Defaults("Be brief.").with_system_prompt(said) == (Message("system", "Be brief."), *said)
    own = [Message("system", "Be rude."), *said]
    assert Defaults("Be brief.").with_system_prompt(own) == tuple(own)


def ask(worker: Worker, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = httpx.post(worker.url + path, json=body, timeout=DEADLINE_S)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_worker_gives_them_to_every_chat(folder: Path, babble: Path) -> None:
    """At both APIs: the prompt is longer by them, greedy answers are the same each time, and nothing of it is kept."""
    plain, given = folder / "plain", folder / "given"
    counts: dict[Path, list[int]] = {}
    settings = {"system_prompt": "Be brief. " * 5, "temperature": 0.0}
    for place, wanted in ((plain, {}), (given, settings)):
        place.mkdir()
        with running(place, write_release(place, release_record(babble, **wanted))) as worker:
            worker.wait_ready()
            chat = ask(worker, "/chat/ada", {"message": "Hello", "max_tokens": 4})
            v1, own = ask(worker, "/v1/chat/completions", HELLO), ask(worker, "/v1/chat/completions", OWN)
            counts[place] = [its["usage"]["prompt_tokens"] for its in (chat, v1, own)]
            assert [said["role"] for said in worker.get("/chat/ada").json()["messages"]] == ["user", "assistant"]
            if place == given:
                again = [ask(worker, "/v1/chat/completions", {**HELLO, "max_tokens": 30}) for _ in range(2)]
                assert again[0]["choices"] == again[1]["choices"]
    assert counts[given][0] > counts[plain][0] + 20 and counts[given][1] > counts[plain][1] + 20
    assert counts[given][2] == counts[plain][2]


def test_a_model_whose_template_has_no_place_for_it_says_so(folder: Path) -> None:
    """So the warm-up of its deployment fails, and nothing is changed."""
    refuses = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}{{ messages[0].content }}"
    )
    write_random_gguf(Shape(), "F16", 1, folder / "m.gguf", refuses)
    release = write_release(folder, release_record(folder / "m.gguf", system_prompt="Be brief."))
    with running(folder, release) as worker:
        answer = worker.wait_ready().chat("Hello")
        assert (answer.status_code, error_of(answer)["code"]) == (400, "prompt_refused")
