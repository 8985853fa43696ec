"""GET /api/events: what happens, as it happens."""

from typing import Annotated

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import HeaderParameter, QueryParameter
from litestar.response import Stream

from supervisor.feed.feed import Feed
from supervisor.feed.sse import EVENT_STREAM, LAST_NUMBER, event_stream
from supervisor.page.access import Access
from supervisor.page.errors import TooMany
from supervisor.page.looks import AnyRequest, authorization

FOLLOWERS = 64  # each holds a connection; a page that is turned away still looks every second


def news_route(feed: Feed, access: Access) -> HTTPRouteHandler:
    @get("/api/events", media_type=EVENT_STREAM)
    async def events(
        request: AnyRequest,
        after: Annotated[int | None, QueryParameter(ge=0, le=LAST_NUMBER)] = None,
        last_event_id: Annotated[int | None, HeaderParameter(name="Last-Event-ID", ge=0, le=LAST_NUMBER)] = None,
    ) -> Stream:
        access.check_look(authorization(request))
        if feed.followers >= FOLLOWERS:
            raise TooMany(f"{FOLLOWERS} follow the events already: close some of them")
        return event_stream(feed, after if last_event_id is None else last_event_id)

    return events
