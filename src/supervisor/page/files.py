"""The page itself: a few files beside this module, served as they are."""

from importlib.resources import files

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from supervisor.page.access import Access
from supervisor.page.errors import NoSuchThing

MEDIA_TYPES = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}
REVALIDATED = {"cache-control": "no-cache"}  # after an upgrade a browser must not mix old files with new ones


def file_routes(access: Access) -> list[HTTPRouteHandler]:
    """Read once: what runs does not change with the files of a later package."""
    folder = files("supervisor.page") / "static"
    texts = {
        entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.name.rpartition(".")[2] in MEDIA_TYPES
    }

    def answer(name: str) -> Response[bytes]:
        access.check_served()
        if name not in texts:
            raise NoSuchThing(f"the page has no file {name[:80]!r}")
        return Response(texts[name], media_type=MEDIA_TYPES[name.rpartition(".")[2]], headers=REVALIDATED)

    @get("/", sync_to_thread=False)
    def page() -> Response[bytes]:
        return answer("page.html")

    @get("/static/{name:str}", sync_to_thread=False)
    def file(name: FromPath[str]) -> Response[bytes]:
        return answer(name)

    return [page, file]
