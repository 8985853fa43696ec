"""The engine as the worker sees it: load, submit, iterate, cancel, snapshot, close.

Its methods are called on the asyncio loop; the decoding thread answers through `call_soon_threadsafe`. A request has
a place from `enter` until it is submitted; then its generation counts as live until the decoding thread has let go of
it, so a cancelled one still counts until the next step frees it.
"""

import asyncio
import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from modelsvc.engine.context import STEP_TOKENS, Context, describe
from modelsvc.engine.decoder import Decoder
from modelsvc.engine.encoder import Encoder
from modelsvc.engine.errors import EngineStopped, LoadFailed, QueueFull
from modelsvc.engine.loop import Cancel, DecodeLoop, Failed, Started, Submit
from modelsvc.engine.model import Model, OnProgress
from modelsvc.engine.output import Output
from modelsvc.engine.sampling import Sampler, Samplers
from modelsvc.engine.scheduler import Crowd, Scheduler
from modelsvc.engine.types import EngineOptions, Event, Finished, GenerationRequest, Snapshot, Token

_RETRY_AFTER_S = 2


class Generation:
    """An async iterator of `Token`s that ends with one `Finished`; raises the EngineError that ended it otherwise."""

    def __init__(self, engine: "Engine", request_id: int, max_tokens: int) -> None:
        self.submitted_at = time.monotonic()
        self.started = False
        self._max_tokens = max_tokens
        self._came_at: list[float] = []  # its first token and its last one
        self._tokens = 0
        self._id = request_id
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Event | Failed] = asyncio.Queue()
        self._over = False

    def __aiter__(self) -> "Generation":
        return self

    async def __anext__(self) -> Event:
        if self._over:
            raise StopAsyncIteration
        event = await self._events.get()
        self._over = isinstance(event, Finished | Failed)
        if isinstance(event, Failed):
            raise event.error
        return event

    def cancel(self) -> None:
        """Give the turn back at the next step. Does nothing once the generation is over."""
        self._engine.send(Cancel(self._id))

    def emit(self, event: Event | Started | Failed) -> None:
        """For the decoding thread."""
        self._loop.call_soon_threadsafe(self._receive, event)

    def _receive(self, event: Event | Started | Failed) -> None:
        if isinstance(event, Started):
            self.started = True
            return
        if isinstance(event, Token):
            self._tokens += 1
            self._came_at = [*self._came_at[:1], time.monotonic()]
        if isinstance(event, Finished | Failed):
            self._engine.forget(self._id)
        self._events.put_nowait(event)

    @property
    def left_s(self) -> float | None:
        """How long it takes at most, at its pace so far; None while that is not known."""
        if len(self._came_at) < 2:
            return None
        first, last = self._came_at
        return (last - first) / (self._tokens - 1) * (self._max_tokens - self._tokens)


class Place:
    """A request that is let in but not yet submitted. `held_back`: something else has to end before it can be."""

    def __init__(self, engine: "Engine", held_back: bool) -> None:
        self.held_back = held_back
        self.entered_at = time.monotonic()
        self._engine = engine

    async def submit(self, request: GenerationRequest) -> Generation:
        """Queue the request. Raises PromptTooLong, PromptRefused or EngineStopped, but QueueFull no more."""
        return await self._engine._submit(request)


class Engine:
    def __init__(self, model: Model, context: Context, options: EngineOptions, encoder: Encoder) -> None:
        self.model = describe(model, context)
        self._model = model
        self._context = context
        self._options = options
        self._encoder = encoder
        self._samplers = Samplers(model, context.tokens)
        self._closed = False
        self._prompts = ThreadPoolExecutor(1, thread_name_prefix="prompt")
        self._live: dict[int, Generation] = {}
        self._places: set[Place] = set()
        self._ids = itertools.count(1)
        self._decoding = DecodeLoop(model, context, Scheduler(options.slots, context.tokens, STEP_TOKENS))
        self._decoder = Decoder(self._decoding, options.threads, background=options.background)

    @classmethod
    def load(cls, path: str, options: EngineOptions, on_progress: OnProgress) -> "Engine":
        """Load and try out a model; takes seconds, so call it in a thread. Raises LoadFailed."""
        model = Model.mapped(path, options.gpu_layers, on_progress)
        if not model.can_answer:
            raise LoadFailed("this model does not generate text: choose a text-generation model")
        context = Context(model, options)
        return cls(model, context, options, Encoder(model, context.tokens))

    async def submit(self, request: GenerationRequest) -> Generation:
        """Queue a request. Raises QueueFull, PromptTooLong, PromptRefused or EngineStopped."""
        with self.enter() as place:
            return await place.submit(request)

    @contextmanager
    def enter(self, *, held_back: bool = False) -> Iterator[Place]:
        """Count a request among the waiting ones while it gets ready. Raises QueueFull or EngineStopped, at once."""
        self._check_running()
        crowd, options = self._crowd(), self._options
        if not crowd.may_grow(options.slots, options.queue_limit, held_back=held_back):
            raise QueueFull(crowd.waiting(options.slots), _RETRY_AFTER_S)
        place = Place(self, held_back)
        self._places.add(place)
        try:
            yield place
        finally:
            self._places.remove(place)

    async def _submit(self, request: GenerationRequest) -> Generation:
        tokens, sampler = await asyncio.get_running_loop().run_in_executor(self._prompts, self._prepare, request)
        self._check_running()
        room = self._context.tokens - len(tokens)
        max_tokens = room if request.max_tokens is None else min(request.max_tokens, room)
        generation = Generation(self, next(self._ids), max_tokens)
        self._live[generation._id] = generation
        self.send(
            Submit(
                generation._id,
                tokens,
                max_tokens,
                sampler,
                Output(request.stop),
                generation.submitted_at,
                generation.emit,
            )
        )
        return generation

    def _prepare(self, request: GenerationRequest) -> tuple[list[int], Sampler]:
        tokens = self._encoder.encode(request.prompt, request.max_tokens)
        return tokens, self._samplers.make(request, tokens)

    def send(self, command: Submit | Cancel) -> None:
        self._decoding.inbox.put(command)

    def come_forward(self, *, now: bool = False) -> None:
        """Clients are to be served: an engine in the background becomes one like any other, soon or `now`."""
        self._decoder.come_forward(now=now)

    def forget(self, request_id: int) -> None:
        self._live.pop(request_id, None)

    def snapshot(self) -> Snapshot:
        now = time.monotonic()
        pulse = self._decoding.pulse
        submitted = [generation.submitted_at for generation in self._live.values()]
        queued = [generation.submitted_at for generation in self._live.values() if not generation.started]
        waiting = queued + [place.entered_at for place in self._places]
        return Snapshot(
            alive=self._decoder.alive,
            in_flight=len(submitted) - len(queued),
            waiting=len(waiting),
            prefilling=pulse.prefilling,
            last_decode_age_s=now - max(pulse.last_step_at, min(submitted)) if submitted else None,
            oldest_wait_s=now - min(waiting) if waiting else None,
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

    def _crowd(self) -> Crowd:
        held_back = sum(place.held_back for place in self._places)
        return Crowd(len(self._live) + len(self._places) - held_back, held_back)
