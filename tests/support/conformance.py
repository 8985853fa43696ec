"""An OpenAPI document held to what really answers: schemathesis makes requests, right ones and wrong ones."""

from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from http import HTTPStatus
from typing import Any

import httpx
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks as of_openapi

# Documented statuses, media types and bodies; right requests are taken, wrong ones are not, and wrong methods neither.
CHECKS: list[Any] = [
    of_openapi.status_code_conformance,
    of_openapi.content_type_conformance,
    of_openapi.response_schema_conformance,
    of_openapi.negative_data_rejection,
]


def operations(document: dict[str, Any]) -> Iterator[Any]:
    """What the document describes. Raises when the document itself is wrong."""
    schema = schemathesis.openapi.from_dict(document)
    schema.validate()
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        yield found.ok()


def statuses(operation: Any, client: httpx.Client, examples: int) -> Counter[int]:
    """Ask within the document and outside it; fail at what it does not allow. How often which status was answered."""
    seen: Counter[int] = Counter()
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

        @seed(1)
        @settings(
            max_examples=examples,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case: Any) -> None:
            seen[_check(case, client)] += 1

        # Nothing can be wrong about a request without parameters and body.
        with suppress(Unsatisfiable) if mode is GenerationMode.NEGATIVE else nullcontext():
            check()
    return seen


def _check(case: Any, client: httpx.Client) -> int:
    response = client.send(_request(case, client))
    excluded = [not_a_server_error] if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE else []
    assert response.status_code < 500 or excluded, response.text
    case.validate_response(response, checks=CHECKS)
    return response.status_code


def _request(case: Any, client: httpx.Client) -> httpx.Request:
    """As `requests` would send it, on the connection of `client`."""
    made: Any = requests.Request(**case.as_transport_kwargs(base_url=str(client.base_url))).prepare()
    return httpx.Request(made.method, made.url, headers=dict(made.headers), content=made.body or b"")
