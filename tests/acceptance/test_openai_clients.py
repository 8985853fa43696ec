"""Clients of OpenAI's API at the edge, with OpenAI's own package, while what serves them is replaced."""

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.support import service_models as models
from tests.support.service_fixture import Service, other, passed, running_service, suspended

ASKED: Any = {"model": "talker", "messages": [{"role": "user", "content": "Talk."}]}
TOKENS = 600


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    models.talker(tmp_path / "talker.gguf")
    with running_service(tables={"model": {"path": str(tmp_path / "talker.gguf")}}) as service:
        yield service


@pytest.fixture
def client(service: Service) -> Iterator[openai.OpenAI]:
    """One that never asks again by itself."""
    with openai.OpenAI(base_url=f"{service.url}/v1", api_key="none", timeout=90, max_retries=0) as client:
        yield client


def test_a_deployment_is_not_noticed(service: Service, client: openai.OpenAI) -> None:
    """A stream goes on to its end, and requests succeed all the while, though their model's name is another one."""
    talking = service.settled().active
    over = threading.Event()
    with ThreadPoolExecutor(3) as pool:
        askers = [pool.submit(models_of_answers, client, over) for _ in range(2)]
        try:
            with service.watching("deploy", "--set", "model.path=''") as events:
                passed(events, "check_active", "done")
                stream = client.chat.completions.create(
                    **ASKED, stream=True, max_tokens=TOKENS, stream_options={"include_usage": True}
                )
                first = next(stream)
                with suspended(service, str(talking)):
                    listener = pool.submit(list[Any], stream)
                    passed(events, "drain", "running")
                assert re.match(r"[123] request\(s\) in flight", next(events)["text"])
                *_, finished = events
        finally:
            over.set()
        assert (finished["outcome"], finished["active"]) == ("succeeded", other(talking))
        *_, ended, usage = listener.result(90)
        answered = [asker.result(90) for asker in askers]
    assert first.model == ended.model == usage.model == "talker"
    assert ended.choices[0].finish_reason in ("length", "stop")
    assert usage.usage and 0 < usage.usage.completion_tokens <= TOKENS
    for names in answered:
        assert names == sorted(names, reverse=True)  # talker, and from some moment on the next one
        assert set(names) == {"talker", "demo"}


def models_of_answers(client: openai.OpenAI, over: threading.Event) -> list[str]:
    """Ask until it is over, and once more."""
    names: list[str] = []
    last = False
    while not last:
        last = over.is_set()
        found = client.chat.completions.create(**ASKED, max_tokens=4, temperature=0)
        assert found.choices[0].message.content is not None
        names.append(found.model)
    return names
