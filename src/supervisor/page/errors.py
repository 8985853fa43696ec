"""What the status page refuses.

PageError          an answer other than success; `status`, `code` and a message that says what to do
├── NotUnderstood  400
├── NeedsKey       401
├── NotServed      403   nobody may, as things are configured
├── NoSuchThing    404
├── TooMany        429   as many as may at once do so already
└── EdgeAway       502   nginx did not answer
"""

from typing import Any


class PageError(Exception):
    status = 500
    type = "failed"
    code = "failed"

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code

    def body(self) -> dict[str, Any]:
        return {"error": {"type": self.type, "message": self.message, "code": self.code}}


class NotUnderstood(PageError):
    status, type, code = 400, "invalid_request", "invalid_request"


class NeedsKey(PageError):
    status, type, code = 401, "unauthorized", "no_api_key"


class NotServed(PageError):
    status, type, code = 403, "forbidden", "not_served"


class NoSuchThing(PageError):
    status, type, code = 404, "not_found", "not_found"


class TooMany(PageError):
    status, type, code = 429, "overloaded", "too_many"


class EdgeAway(PageError):
    status, type, code = 502, "unavailable", "edge_away"
