"""One turn at a time per user: two messages of one user do not interleave."""

import asyncio
from types import TracebackType
from weakref import WeakValueDictionary


class Turn:
    """Held for a whole turn, in order of asking."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._claims = 0

    @property
    def taken(self) -> bool:
        """Whoever asks now has to wait. The lock alone does not tell: released, it is for a moment still promised."""
        return self._claims > 0

    async def __aenter__(self) -> None:
        self._claims += 1
        try:
            await self._lock.acquire()
        except BaseException:
            self._claims -= 1
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._claims -= 1
        self._lock.release()


class Turns:
    def __init__(self) -> None:
        self._turns: WeakValueDictionary[str, Turn] = WeakValueDictionary()

    def of(self, user_id: str) -> Turn:
        """Kept as long as someone has it."""
        found = self._turns.get(user_id)
        if found is None:
            found = self._turns[user_id] = Turn()
        return found
