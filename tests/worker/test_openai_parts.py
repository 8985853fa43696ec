"""The pure parts of /v1."""

import pytest

from modelsvc.engine.types import ChatPrompt, Message, Sampling
from modelsvc.worker.bodies import Body
from modelsvc.worker.errors import HttpError
from modelsvc.worker.openai.chat_request import chat_requests, parse_chat
from modelsvc.worker.openai.tools import Toolbox
from modelsvc.worker.openai.wanted import PLAIN_TIMEOUT_S, STREAM_TIMEOUT_S, Wanted, sampling

HELLO = '"messages": [{"role": "user", "content": "Hello"}]'


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(), Sampling(1.0, top_k=40, top_p=1.0, min_p=0.05)),
        (Wanted(top_p=0.5), Sampling(1.0, top_k=0, top_p=0.5, min_p=0.0)),
        (Wanted(top_k=-1), Sampling(1.0, top_k=0, top_p=1.0, min_p=0.0)),
        (Wanted(min_p=0.1, top_k=5), Sampling(1.0, top_k=5, top_p=1.0, min_p=0.1)),
        (Wanted(temperature=0, seed=7), Sampling(0.0, top_k=40, top_p=1.0, min_p=0.05, seed=9)),
        (Wanted(logit_bias={"5": -100}), Sampling(1.0, top_p=1.0, logit_bias=((5, -100.0),))),
    ],
)
def test_who_chooses_how_tokens_are_cut_off_gets_that_alone(wanted: Wanted, expected: Sampling) -> None:
    """And the third choice's seed is the request's and two."""
    assert sampling(wanted, 2, None) == expected


def test_a_request_becomes_a_generation_for_each_choice() -> None:
    body = f'{{{HELLO}, "n": 2, "seed": 1, "stop": "x", "max_tokens": 5, "logprobs": true, "top_logprobs": 2}}'
    first, second = chat_requests(parse_chat(body.encode()), Toolbox())
    assert first.prompt == ChatPrompt((Message("user", "Hello"),))
    assert (first.max_tokens, first.stop, first.logprobs, first.timeout_s) == (5, ("x",), 2, PLAIN_TIMEOUT_S)
    assert (first.sampling.seed, second.sampling.seed) == (1, 2)


@pytest.mark.parametrize(
    ("fields", "timeout_s"), [('"stream": true', STREAM_TIMEOUT_S), ('"timeout_s": 5, "stream": true', 5.0)]
)
def test_streams_may_take_longer_and_clients_may_say_how_long(fields: str, timeout_s: float) -> None:
    (only,) = chat_requests(parse_chat(f"{{{HELLO}, {fields}}}".encode()), Toolbox())
    assert only.timeout_s == timeout_s


def test_a_wrong_field_is_shown_from_wherever_it_is() -> None:
    with pytest.raises(HttpError) as told:
        Body(dict[str, list[int]], "numbers").decode(b'{"a": [1, 2, "x"]}')
    assert told.value.message == "[...][2]: Expected `int`, got `str`, not {'a': [1, 2, 'x']}; numbers"
