"""The turns of one user, by themselves."""

import asyncio
import gc
from contextlib import suppress

from modelsvc.worker.turns import Turn, Turns


async def test_a_turn_is_taken_also_while_it_changes_hands() -> None:
    """Released, but promised to the next one: whoever asks in that moment waits too."""
    turn = Turn()
    async with turn:
        waiting = asyncio.create_task(turn.__aenter__())
        await asyncio.sleep(0)
    assert turn.taken
    await waiting
    await turn.__aexit__(None, None, None)
    assert not turn.taken


async def test_who_gives_up_waiting_no_longer_counts() -> None:
    turn = Turn()
    async with turn:
        waiting = asyncio.create_task(turn.__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
    assert not turn.taken


async def test_a_users_turn_is_one_and_is_forgotten_with_its_last_holder() -> None:
    turns = Turns()
    turn = turns.of("ada")
    assert turns.of("ada") is turn is not turns.of("bob")
    del turn
    gc.collect()
    assert not turns._turns
