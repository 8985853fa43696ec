"""What the worker refuses or fails at.

WorkerError
├── StartRefused       misuse, found before anything runs: exit code 2
│   ├── BadRelease     the release file is not one, or the model is not the one it records
│   ├── BadHistory     the chat database cannot be used
│   ├── BadKeyFile     the file of API keys cannot be used
│   └── PortTaken      someone else listens on the port
└── HttpError          an answer other than success; `status`, `code` and a message saying what to change
"""

from collections.abc import Mapping


class WorkerError(Exception):
    """Base of everything this package raises on purpose."""


class StartRefused(WorkerError):
    code = "start_refused"


class BadRelease(StartRefused):
    code = "bad_release"


class BadHistory(StartRefused):
    code = "bad_history"


class BadKeyFile(StartRefused):
    code = "bad_key_file"


class PortTaken(StartRefused):
    code = "port_taken"


_TYPES = {
    400: "invalid_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "not_found",
    408: "timed_out",
    413: "invalid_request",
    429: "overloaded",
    431: "invalid_request",
    503: "unavailable",
    507: "failed",
}


SHOWN_CHARACTERS = 60


def shown(value: object) -> str:
    """A wrong value as a message tells it: never at length."""
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


class HttpError(WorkerError):
    """`param`: the path of the field that is wrong."""

    def __init__(
        self, status: int, code: str, message: str, retry_after_s: int | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s
        self.param = param

    def body(self) -> dict[str, object]:
        kind = _TYPES.get(self.status, "failed")
        return {"error": {"type": kind, "message": self.message, "code": self.code, "param": self.param}}

    def headers(self) -> Mapping[str, str]:
        asking = {"WWW-Authenticate": 'Bearer realm="modelsvc"'} if self.status == 401 else {}
        return asking if self.retry_after_s is None else {**asking, "Retry-After": str(self.retry_after_s)}


def internal() -> HttpError:
    return HttpError(500, "internal", "the worker failed on this request: see its log")


def client_gone() -> HttpError:
    """Told to nobody, but no failure either."""
    return HttpError(499, "client_gone", "the client closed the connection before the answer")


class NotRecorded(HttpError):
    """The answer is there, and is told, but the conversation does not remember it."""

    def __init__(self, answer: str) -> None:
        message = (
            "the answer is complete, but the conversation could not be written down: the disk is full or read-only;"
            " ask again without a user, or when that is mended"
        )
        super().__init__(507, "not_recorded", message)
        self.answer = answer

    def body(self) -> dict[str, object]:
        return {**super().body(), "response": self.answer}
