"""OpenAI's own package, speaking to a worker."""

from typing import Any

import openai
from tests.worker.harness import DEADLINE_S, Worker

ADA: Any = [{"role": "user", "content": "My name is Ada."}]  # the demo model's answer is always this:
ANSWER = "Nice to meet you, Ada."
BABBLE: Any = {"model": "any", "messages": [{"role": "user", "content": "Hello"}], "temperature": 0, "max_tokens": 3000}


def client_of(worker: Worker, key: str = "none", max_retries: int = 0) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{worker.url}/v1", api_key=key, timeout=DEADLINE_S, max_retries=max_retries)


def async_client_of(worker: Worker) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{worker.url}/v1", api_key="none", timeout=DEADLINE_S, max_retries=0)
