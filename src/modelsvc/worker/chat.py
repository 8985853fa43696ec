"""One chat turn: read the history, generate, and write the turn when it is complete."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

from modelsvc.engine.errors import EngineError
from modelsvc.engine.types import ChatPrompt, Event, Finished, GenerationRequest, Message, Sampling, Token
from modelsvc.worker.defaults import defaults_of
from modelsvc.worker.errors import NotRecorded
from modelsvc.worker.generations import as_http, counted
from modelsvc.worker.logs import log
from modelsvc.worker.schema import DEFAULT_MAX_TOKENS, DEFAULT_TEMPERATURE, Ask
from modelsvc.worker.service import Service
from modelsvc.worker.turns import Turn, Turns

_REMEMBERED = 1000  # messages looked back at; what of them fits the context is the engine's decision


class Chat:
    def __init__(self, service: Service) -> None:
        self._service = service
        self._turns = Turns()
        self._defaults = defaults_of(service.identity.release.settings)

    def turn_of(self, user_id: str) -> Turn:
        return self._turns.of(user_id)

    async def ask(
        self, ask: Ask, user_id: str | None, held: AsyncExitStack, request_id: str | None = None
    ) -> AsyncIterator[Event]:
        """Queue a turn and return its events. `held` takes what must be given back when the request is over."""
        engine = self._service.usable_engine()
        turn = None if user_id is None else self.turn_of(user_id)
        try:
            with engine.enter(held_back=turn is not None and turn.taken) as place:
                if turn is not None:
                    await held.enter_async_context(turn)
                    place.held_back = False
                generation = await place.submit(await self._request(ask, user_id))
        except EngineError as error:
            raise as_http(error) from error
        held.callback(generation.cancel)
        return self._recorded(counted(generation, self._service), ask.message, user_id, request_id)

    async def _request(self, ask: Ask, user_id: str | None) -> GenerationRequest:
        messages = self._defaults.with_system_prompt([*await self._past(user_id), Message("user", ask.message)])
        return GenerationRequest(
            ChatPrompt(messages, shorten=True), ask.max_tokens or DEFAULT_MAX_TOKENS, self._sampling(ask)
        )

    def _sampling(self, ask: Ask) -> Sampling:
        usual, defaults = Sampling(), self._defaults
        truncation = defaults.truncation_or({"top_p": usual.top_p, "top_k": usual.top_k, "min_p": usual.min_p})
        temperature = defaults.temperature_or(DEFAULT_TEMPERATURE) if ask.temperature is None else ask.temperature
        return Sampling(temperature=temperature, **truncation, repeat_penalty=defaults.repeat_penalty)

    async def _past(self, user_id: str | None) -> list[Message]:
        if user_id is None:
            return []
        stored = await self._service.history.read(user_id, _REMEMBERED)
        return [Message(message.role, message.content) for message in stored]

    async def _recorded(
        self, events: AsyncIterator[Event], message: str, user_id: str | None, request_id: str | None
    ) -> AsyncIterator[Event]:
        """The events; before the last one passes, the turn is in the history."""
        parts: list[str] = []
        async for event in events:
            match event:
                case Token(text):
                    parts.append(text)
                case Finished() if user_id is not None:
                    await self._record(user_id, message, "".join(parts), request_id)
            yield event

    async def _record(self, user_id: str, message: str, answer: str, request_id: str | None) -> None:
        try:
            await self._service.history.append_turn(user_id, message, answer, request_id)
        except sqlite3.OperationalError as error:
            log.error("turn_not_recorded", reason=str(error))
            raise NotRecorded(answer) from error
