"""The four kinds of users that Locust spawns, each a closed loop: the next request comes after the last answer.

They keep their connections. One that was closed while it lay idle is opened anew before a request, as all clients do;
nothing is sent twice. Each request is judged, and told to Locust once.
"""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, TypeVar
from uuid import uuid4

from loadtest import judge
from loadtest.judge import Answer, Failed, Reply, Said
from loadtest.records import Record, utc
from loadtest.sse import Arrivals, gaps_ms
from loadtest.traffic import PROMPTS
from loadtest.words import words
from locust import HttpUser, between, constant, task
from locust.clients import ResponseContextManager
from requests import RequestException

from modelsvc.cli.edge import KEY_ENV

RECORD = "record"  # in the context of Locust's request event
SEEN_S = 120.0  # without a byte of an answer
TURNS = 6  # of a conversation
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ask:
    """`name` is what requests of this kind are called."""

    method: str
    path: str
    name: str
    body: dict[str, Any] | None = None


@dataclass(slots=True)
class Exchange:
    """A request under way. `ended_s` is None until the answer is whole or has failed."""

    began_s: float
    at: str
    arrivals: Arrivals
    body: bytes = b""
    ended_s: float | None = None

    def read(self, response: ResponseContextManager) -> Reply:
        """The whole answer. Raises RequestException when there is none."""
        try:
            if response.error is not None:
                raise response.error
            for piece in response.iter_content(chunk_size=None):
                self.arrivals.feed(piece, time.monotonic())
                self.body += piece
        finally:
            self.ended_s = time.monotonic()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status_code, headers, self.body)

    @property
    def latency_s(self) -> float:
        return (time.monotonic() if self.ended_s is None else self.ended_s) - self.began_s


class Visitor(HttpUser):
    """What all kinds share; `host` is the edge."""

    abstract = True
    wait_time = between(0.05, 0.15)

    def on_start(self) -> None:
        options = self.environment.parsed_options
        self.client.trust_env = False  # a proxy of the environment is not for the loopback interface
        if key := os.environ.get(KEY_ENV):
            self.client.headers["Authorization"] = f"Bearer {key}"
        self._tokens: int = options.tokens
        self._prompt_words: int = options.prompt_words
        self.random = Random(uuid4().int)

    def prompt(self, times: int = 1) -> str:
        """The demo model's, or so many words that were never said before."""
        if self._prompt_words:
            return words(self.random, times * self._prompt_words)
        return " ".join(self.random.choice(PROMPTS) for _ in range(times))

    def chat(self, path: str, name: str, message: str, *, stream: bool = False) -> Answer | None:
        # Answers of one length would end together, and all users would then ask at once, for ever.
        tokens = self.random.randint((self._tokens + 1) // 2, self._tokens)
        body = {"message": message, "max_tokens": tokens, "temperature": 0, "stream": stream}
        return self.ask(Ask("POST", path, name, body), judge.stream if stream else judge.plain)

    def ask(self, asked: Ask, judged: Callable[[Reply], T]) -> T | None:
        """What the judge says of the answer; None when the request failed."""
        exchange = Exchange(time.monotonic(), utc(time.time()), Arrivals())
        context: dict[str, Any] = {}
        with self.client.request(
            asked.method, asked.path, asked.name, catch_response=True, context=context,
            json=asked.body, stream=True, timeout=SEEN_S, allow_redirects=False,
        ) as response:  # fmt: skip
            verdict, failure = None, ""
            try:
                verdict = judged(exchange.read(response))
            except (Failed, RequestException) as error:
                failure = str(error) if isinstance(error, Failed) else repr(error)
            self._tell(response, asked, exchange, verdict, failure)
        return verdict

    def _tell(
        self, response: ResponseContextManager, asked: Ask, exchange: Exchange, verdict: object, failure: str
    ) -> None:
        """Hand the record to Locust, which passes it to its listeners when the response is left."""
        times = exchange.arrivals.tokens_s
        record = Record(
            at=exchange.at,
            began_s=exchange.began_s,
            user_class=type(self).__name__,
            request=asked.name,
            color=response.headers.get(judge.COLOR_HEADER, ""),
            release=response.headers.get(judge.RELEASE_HEADER, ""),
            status=response.status_code or 0,
            latency_s=exchange.latency_s,
            first_token_s=times[0] - exchange.began_s if times else None,
            tokens=verdict.tokens if isinstance(verdict, Answer) else None,
            bytes=len(exchange.body),
            gaps_ms=gaps_ms(times),
            failure=failure,
        )
        meta: dict[str, Any] = response.request_meta  # type: ignore[assignment]  # told as read-only, made as a dict
        meta |= {"response_time": 1000 * record.latency_s, "response_length": record.bytes}
        meta["context"][RECORD] = record
        if failure:
            response.failure(failure)
        else:
            response.success()


class HealthWatcher(Visitor):
    """Asks what a load balancer or an operator would."""

    weight = 1
    wait_time = constant(0.5)

    @task
    def alive(self) -> None:
        self.ask(Ask("GET", "/healthz", "GET /healthz"), judge.health)

    @task
    def ready(self) -> None:
        self.ask(Ask("GET", "/ready", "GET /ready"), judge.health)

    @task
    def deep(self) -> None:
        self.ask(Ask("GET", "/health/deep", "GET /health/deep"), judge.deep_health)


class ShortChat(Visitor):
    """One question, one whole answer."""

    weight = 3

    @task
    def question(self) -> None:
        self.chat("/chat", "POST /chat", self.prompt())


class LongChat(Visitor):
    """Conversations that the service remembers: after each turn it must know what was said, at the end forget it."""

    weight = 2
    route: ClassVar[str] = "/chat/{user}"

    def on_start(self) -> None:
        super().on_start()
        self._begin()

    def _begin(self) -> None:
        self._path, self._said = f"/chat/load-{uuid4().hex}", list[Said]()

    @task
    def turn(self) -> None:
        """After one that failed another conversation begins: whether the turn was kept cannot be known."""
        message = self.prompt(times=2)
        answer = self.chat(self._path, f"POST {self.route}", message)
        if answer is None or not self._is_remembered(message, answer):
            self._begin()
        elif len(self._said) >= 2 * TURNS:
            self._forget()

    def _is_remembered(self, message: str, answer: Answer) -> bool:
        self._said += [("user", message), ("assistant", answer.text)]
        asked = Ask("GET", self._path, f"GET {self.route}")
        return self.ask(asked, lambda reply: judge.history(reply, self._said)) is not None

    def _forget(self) -> None:
        count = len(self._said)
        self.ask(Ask("DELETE", self._path, f"DELETE {self.route}"), lambda reply: judge.forgotten(reply, count))
        self._begin()

    def on_stop(self) -> None:
        """A service that is not ours keeps nothing of this."""
        if self._said:
            with suppress(Exception):  # it may be what the test has just seen fail
                self._forget()


class Streaming(Visitor):
    """Reads answers as they are made."""

    weight = 2

    @task
    def stream(self) -> None:
        self.chat("/chat", "POST /chat (stream)", self.prompt(), stream=True)
