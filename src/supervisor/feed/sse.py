"""The feed as server-sent events: on the control socket, and on the status page's port."""

from collections.abc import AsyncIterator
from typing import Annotated

from litestar import get
from litestar.exceptions import TooManyRequestsException
from litestar.handlers import HTTPRouteHandler
from litestar.params import HeaderParameter, QueryParameter
from litestar.response import Stream

from supervisor.feed.feed import Feed
from supervisor.protocol import encode
from supervisor.protocol import happenings as hp

EVENT_STREAM = "text/event-stream"
HEARTBEAT_S = 10.0  # a peer that went away without a word is noticed when it is sent something
HEARTBEAT = b":\n\n"
LAST_NUMBER = 2**63 - 1
FOLLOWERS_LIMIT = 64  # half of the requests that a server takes at once: the others must get through


def events_route(feed: Feed, path: str = "/events") -> HTTPRouteHandler:
    """A handler that follows `feed`; as many applications as wanted may have one."""

    @get(path, media_type=EVENT_STREAM)
    async def events(
        after: Annotated[int | None, QueryParameter(ge=0, le=LAST_NUMBER)] = None,
        last_event_id: Annotated[int | None, HeaderParameter(name="Last-Event-ID", ge=0, le=LAST_NUMBER)] = None,
    ) -> Stream:
        """Follow what happens: from now on, or from the event after number `after` as far as it is kept.

        A browser that comes back says in `Last-Event-ID` where it was, which counts more.
        """
        if feed.followers >= FOLLOWERS_LIMIT:
            raise TooManyRequestsException(f"{FOLLOWERS_LIMIT} follow already: end one of them first")
        return event_stream(feed, after if last_event_id is None else last_event_id)

    return events


def event_stream(feed: Feed, after: int | None) -> Stream:
    """The answer that does not end before the feed does."""
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return Stream(_frames(feed, after), media_type=EVENT_STREAM, headers=headers)


async def _frames(feed: Feed, after: int | None) -> AsyncIterator[bytes]:
    """Begins with the place it begins at, so that a client that loses the connection soon can come back to it."""
    place = feed.last if after is None else after
    feed.followers += 1
    try:
        yield b"id: %d\n\n" % place
        while not (feed.closed and place == feed.last):
            told = feed.since(place)
            for happening in told:
                place = happening.id
                yield frame(happening)
            if not told and not await feed.news(HEARTBEAT_S):
                yield HEARTBEAT
    finally:
        feed.followers -= 1


def frame(happening: hp.Happening) -> bytes:
    """One event as it travels. JSON has no line breaks."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (happening.id, hp.name_of(happening).encode(), encode(happening))
