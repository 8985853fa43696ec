"""The engine as the worker sees it: load, submit, iterate, cancel, snapshot, close.

Its methods are called on the asyncio loop, to which the decoding thread hands what it has to tell. A request has a
place from `enter` until it is submitted; then its generation counts as live until the decoding thread has let go of it,
so a cancelled one still counts until the next step frees it.
"""

import asyncio
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from modelsvc.engine.admission import Admission, Place
from modelsvc.engine.cache import Cache
from modelsvc.engine.context import STEP_TOKENS, Context, describe
from modelsvc.engine.decoder import Decoder
from modelsvc.engine.encoder import Encoder
from modelsvc.engine.errors import EmbeddingsRefused, EngineStopped, LoadFailed
from modelsvc.engine.generation import Generation
from modelsvc.engine.loop import DecodeLoop
from modelsvc.engine.messages import Cancel, Failed, Letters, Submit, Task
from modelsvc.engine.model import Model, OnProgress
from modelsvc.engine.output import Output
from modelsvc.engine.prompt_thread import PromptThread
from modelsvc.engine.sampling import Samplers
from modelsvc.engine.scheduler import Scheduler
from modelsvc.engine.types import (
    EmbeddingRequest,
    EngineOptions,
    Finished,
    GenerationRequest,
    Request,
    Snapshot,
    StepTaken,
    TextPrompt,
)

T = TypeVar("T")
V = TypeVar("V")
Observe = Callable[[StepTaken], None]


class Engine:
    def __init__(self, model: Model, context: Context, options: EngineOptions, encoder: Encoder) -> None:
        self.model = describe(model, context)
        self.observe: Observe = lambda step: None  # called on the decoding thread, after each step
        self.tool_syntax = encoder.tool_syntax
        self._model = model
        self._context = context
        self._encoder = encoder
        self._samplers = Samplers(model, context.tokens)
        self._asyncio: asyncio.AbstractEventLoop | None = None
        self._slots = options.slots
        self._closed = False
        self._prompts = PromptThread()
        self._live: dict[int, Generation] = {}
        self._ids = itertools.count(1)
        self._admission = Admission(options.slots, options.queue_limit, self._submit, lambda: len(self._live))
        cache = Cache(context.tokens, context.lines, reuse=model.reusable, window=model.window)
        scheduler = Scheduler(options.slots, cache, STEP_TOKENS)
        self._decoding = DecodeLoop(model, context, scheduler, self._deliver, lambda step: self.observe(step))
        self._decoder = Decoder(self._decoding, options.threads, background=options.background)

    @classmethod
    def load(cls, path: str, options: EngineOptions, on_progress: OnProgress) -> "Engine":
        """Load and try out a model; takes seconds, so call it in a thread. Raises LoadFailed."""
        model = Model.mapped(path, options.gpu_layers, on_progress)
        if not model.can_answer:
            raise LoadFailed("this model does not generate text: choose a text-generation model")
        context = Context(model, options)
        return cls(model, context, options, Encoder(model, context.tokens))

    async def submit(self, request: Request) -> Generation:
        """Queue a request. Raises QueueFull, PromptTooLong, PromptRefused or EngineStopped."""
        with self.enter() as place:
            return await place.submit(request)

    @contextmanager
    def enter(self, *, held_back: bool = False, let_in: bool = False) -> Iterator[Place]:
        """As `Admission.enter`; raises also EngineStopped."""
        self._check_running()
        with self._admission.enter(held_back=held_back, let_in=let_in) as place:
            yield place

    async def _submit(self, request: Request) -> Generation:
        self._check_running()
        came_at = time.monotonic()
        self._asyncio = asyncio.get_running_loop()
        task = await self._prompts.run(self._prepare, request)
        self._check_running()
        deadline = math.inf if request.timeout_s is None else came_at + request.timeout_s
        request_id = next(self._ids)
        generation = Generation(task.max_tokens, partial(self._cancel, request_id), partial(self._ended, request_id))
        self._live[request_id] = generation
        self._decoding.inbox.put(Submit(request_id, task, came_at, deadline, generation.receive))
        return generation

    def _prepare(self, request: Request) -> Task:
        match request:
            case GenerationRequest():
                tokens = self._encoder.encode(request.prompt, request.max_tokens)
                room = self._context.tokens - len(tokens)
                max_tokens = room if request.max_tokens is None else min(request.max_tokens, room)
                return Task(tokens, max_tokens, self._samplers.make(request, tokens), Output(request.stop))
            case EmbeddingRequest():
                if not self.model.embeds:
                    raise EmbeddingsRefused
                return Task(self._encoder.encode_whole(request.content), 1, None, Output())

    def _cancel(self, request_id: int) -> None:
        self._decoding.inbox.put(Cancel(request_id))

    def _ended(self, request_id: int, news: Finished | Failed) -> None:
        self._live.pop(request_id, None)
        if isinstance(news, Finished) and news.reason != "cancelled":
            timings = news.timings
            self._admission.throughput.answered(timings.prefill_seconds + timings.decode_seconds)

    def _deliver(self, letters: Letters) -> None:
        """On the decoding thread."""
        if self._asyncio is not None:
            self._asyncio.call_soon_threadsafe(_read, letters)

    async def tokenize(self, text: str, *, control: bool, framed: bool) -> list[int]:
        """As `Model.tokenize`. Raises QueueFull or EngineStopped."""
        return await self._aside(partial(self._model.tokenize, control=control, framed=framed), text)

    async def spellings(self, tokens: Sequence[int]) -> list[bytes]:
        """What each of them says, in bytes. Raises QueueFull or EngineStopped."""
        return await self._aside(lambda these: [self._model.spelling(each) for each in these], tokens)

    async def detokenize(self, tokens: tuple[int, ...]) -> str:
        """What they say. Raises PromptRefused for tokens that do not exist, QueueFull or EngineStopped."""
        return await self._aside(self._encoder.text_of, tokens)

    async def _aside(self, work: Callable[[T], V], argument: T) -> V:
        """Where prompts become tokens, and with a place among the requests, so that there are not too many."""
        with self.enter():
            return await self._prompts.run(work, argument)

    def text_of(self, prompt: TextPrompt) -> str:
        """Raises PromptRefused for tokens that do not exist."""
        return self._encoder.text_of(prompt.content)

    def come_forward(self, *, now: bool = False) -> None:
        """Clients are to be served: an engine in the background becomes one like any other, soon or `now`."""
        self._decoder.come_forward(now=now)

    def snapshot(self) -> Snapshot:
        now = time.monotonic()
        pulse = self._decoding.pulse
        submitted = [generation.submitted_at for generation in self._live.values()]
        queued = [generation.submitted_at for generation in self._live.values() if not generation.started]
        waiting = queued + [place.entered_at for place in self._admission.places]
        return Snapshot(
            alive=self._decoder.alive,
            slots=self._slots,
            cached_tokens=pulse.cached_tokens,
            in_flight=len(submitted) - len(queued),
            waiting=len(waiting),
            prefilling=pulse.prefilling,
            last_decode_age_s=now - max(pulse.last_step_at, min(submitted)) if submitted else None,
            oldest_wait_s=now - min(waiting) if waiting else None,
            failed_steps=pulse.failed_steps,
            longest_left_s=max(filter(None, (each.left_s for each in self._live.values())), default=None),
        )

    async def close(self) -> None:
        """Stop decoding and free the model. Generations that still run raise EngineStopped."""
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._decoder.stop)
        await asyncio.to_thread(self._prompts.shutdown)  # a cancelled request may still be tokenizing
        self._context.close()
        self._model.close()

    def _check_running(self) -> None:
        if self._closed or not self._decoder.alive:
            raise EngineStopped("the engine is stopped")


def _read(letters: Letters) -> None:
    for receive, news in letters:
        receive(news)
