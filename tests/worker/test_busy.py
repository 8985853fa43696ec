"""A worker with more to do than it can: clients that give up, and clients that are turned away."""

from collections.abc import Iterable
from typing import Protocol

import httpx
from disposable.waiting import until
from tests.worker.harness import BABBLE, Worker, error_of, post_and_keep, sse


def test_a_client_that_hangs_up_frees_its_place_also_while_waiting(babbler: Worker) -> None:
    """Plain requests and streams, running and queued."""
    clients = [post_and_keep(babbler.port, BABBLE | {"stream": number % 2 == 0}) for number in range(6)]
    until(lambda: babbler.deep()["engine"]["waiting"] >= 1, "requests wait")
    hang_up(clients)
    until(lambda: idle(babbler), "every place is free")
    assert babbler.chat("Hello", max_tokens=3).json()["usage"]["completion_tokens"] == 3


def test_an_abandoned_turn_is_not_remembered(babbler: Worker) -> None:
    body = BABBLE | {"stream": True}
    with httpx.stream("POST", f"{babbler.url}/chat/gone", json=body) as response:
        next(sse(response))
    until(lambda: idle(babbler), "the turn is given up")
    assert babbler.get("/chat/gone").json()["messages"] == []


def test_a_full_queue_says_when_to_come_again(babbler: Worker) -> None:
    clients = [post_and_keep(babbler.port, BABBLE) for _ in range(10)]
    until(lambda: babbler.deep()["engine"]["waiting"] == 8, "the queue is full")
    response = babbler.chat("one too many")
    assert response.status_code == 429
    assert int(response.headers["retry-after"]) >= 1
    assert error_of(response)["code"] == "queue_full"
    hang_up(clients)
    until(lambda: idle(babbler), "every place is free")


def test_one_users_turns_fill_the_queue_too(babbler: Worker) -> None:
    """They wait for each other, not for a slot, and leave the free ones to others."""
    clients = [post_and_keep(babbler.port, BABBLE, "/chat/ada") for _ in range(9)]
    until(lambda: babbler.deep()["engine"]["waiting"] == 8, "one runs, and the queue is full")
    response = babbler.chat("one too many", user="ada")
    assert (response.status_code, error_of(response)["code"]) == (429, "queue_full")
    assert int(response.headers["retry-after"]) >= 1
    assert babbler.chat("Hello", user="bob", max_tokens=3).status_code == 200
    hang_up(clients)
    until(lambda: idle(babbler), "every place is free")


def test_who_hangs_up_before_his_turn_frees_his_place(babbler: Worker) -> None:
    """Plain requests and streams; the others keep theirs."""
    first = post_and_keep(babbler.port, BABBLE, "/chat/ada")
    until(lambda: babbler.deep()["engine"]["in_flight"] == 1, "a turn is under way")
    bodies = [BABBLE | {"stream": number % 2 == 0} for number in range(8)]
    others = [post_and_keep(babbler.port, body, "/chat/ada") for body in bodies]
    until(lambda: babbler.deep()["engine"]["waiting"] == 8, "the queue is full")
    hang_up(others[:5])
    until(lambda: babbler.deep()["engine"]["waiting"] == 3, "five places are free")
    assert babbler.deep()["engine"]["in_flight"] == 1
    hang_up([first, *others[5:]])
    until(lambda: idle(babbler), "every place is free")
    assert babbler.chat("Hello", user="ada", max_tokens=3).status_code == 200


class SupportsClose(Protocol):
    def close(self) -> None: ...


def hang_up(clients: Iterable[SupportsClose]) -> None:
    for client in clients:
        client.close()


def idle(worker: Worker) -> bool:
    found = worker.deep()
    engine = found["engine"]
    return [found["requests"]["in_flight"], engine["in_flight"], engine["waiting"]] == [0, 0, 0]
