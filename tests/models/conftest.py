"""The demo model, loaded once, and what tests ask it."""

from collections.abc import Callable, Iterator

import pytest
from llama_cpp import Llama

from modelsvc.models import demo_model_path

Ask = Callable[..., str]


@pytest.fixture(scope="session")
def demo() -> Iterator[Llama]:
    """The built-in model with room for a long conversation; one thread, since it is too small to gain from two."""
    model = Llama(str(demo_model_path()), n_ctx=2048, n_threads=1, n_threads_batch=1, verbose=False)
    yield model
    model.close()


@pytest.fixture(scope="session")
def ask(demo: Llama) -> Ask:
    """The greedy answer to the last of the given turns; an earlier turn may bring its answer as a pair."""

    def answer(messages: list[dict[str, str]]) -> str:
        reply = demo.create_chat_completion(messages, temperature=0.0, max_tokens=400)
        return str(reply["choices"][0]["message"]["content"])

    def converse(*turns: str | tuple[str, str], system: str | None = None) -> str:
        messages = [{"role": "system", "content": system}] if system else []
        for turn in turns:
            question, known = turn if isinstance(turn, tuple) else (turn, None)
            messages.append({"role": "user", "content": question})
            messages.append({"role": "assistant", "content": known or answer(messages)})
        return messages[-1]["content"]

    return converse
