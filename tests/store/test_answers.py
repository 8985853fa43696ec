"""What a server's answer means: values in, a verdict out."""

import httpx
import pytest

from modelsvc.store import answers
from modelsvc.store.answers import Anew, Complete, Later, Unchanged, Verdict, Write
from modelsvc.store.entry import Origin
from modelsvc.store.notes import Notes
from modelsvc.store.patience import Patience

NOTES = Notes(key="k", source="https://a/m", name="m.gguf", size_bytes=100, etag='"one"', last_modified="Monday")


def judged(status: int, have: int = 50, **headers: str) -> Verdict:
    return judged_with(status, {name.replace("_", "-"): value for name, value in headers.items()}, have)


def judged_with(status: int, headers: dict[str, str], have: int = 50) -> Verdict:
    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    return answers.judge(status, httpx.Headers(sent), NOTES, have)


def test_the_rest_of_the_same_file_is_written_after_what_is_there() -> None:
    verdict = judged(206, Content_Range="bytes 50-99/100", ETag='"one"', Last_Modified="Monday")
    assert verdict == Write(50, NOTES)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Range": "bytes 50-99/100", "ETag": '"two"'},
        {"Content-Range": "bytes 50-99/100", "Last-Modified": "Tuesday"},
        {"Content-Range": "bytes 50-100/101", "ETag": '"one"'},
        {"Content-Range": "bytes 40-99/100", "ETag": '"one"'},
        {"Content-Range": "bytes 0-99/100", "ETag": '"one"'},
        {"Content-Range": "lines 50-99/100", "ETag": '"one"'},
        {"ETag": '"one"'},
    ],
)
def test_the_rest_of_another_file_or_from_elsewhere_is_not(headers: dict[str, str]) -> None:
    """Whatever tells that it is: ETag, date, length, or where it begins."""
    assert judged_with(206, headers) == Anew()


def test_a_whole_file_begins_at_the_beginning_and_is_noted_anew() -> None:
    verdict = judged(200, Content_Length="70", ETag='"two"')
    assert isinstance(verdict, Write) and verdict.offset == 0
    assert (verdict.notes.size_bytes, verdict.notes.etag, verdict.notes.last_modified) == (70, '"two"', "")


@pytest.mark.parametrize("length", ["-5", "many", "", "1.5", "٣", "9" * 19, "9" * 5000])
def test_a_length_that_is_none_counts_as_not_told(length: str) -> None:
    verdict = judged_with(200, {"Content-Length": length})
    assert isinstance(verdict, Write) and verdict.notes.size_bytes is None


@pytest.mark.parametrize(
    ("have", "told", "verdict"),
    [
        (100, "bytes */100", Complete()),
        (50, "bytes */100", Anew()),
        (50, "bytes */50", Anew()),
        (100, "bytes */*", Anew()),
        (100, "", Anew()),
    ],
)
def test_no_bytes_beyond_is_the_end_only_of_the_file_that_was_begun(have: int, told: str, verdict: Verdict) -> None:
    """A file that has become as short as what is there is another one."""
    assert judged(416, have, Content_Range=told) == verdict


def test_what_is_asked_depends_on_what_is_there() -> None:
    origin = Origin(key="k", source="s", pulled_at="t", etag='W/"weak"', last_modified="Monday")
    weak = Notes(key="k", source="s", name="m", etag='W/"weak"', last_modified="Monday")
    plain = {"Accept-Encoding": "identity"}

    assert answers.request_headers(NOTES, 0, None) == plain
    assert answers.request_headers(NOTES, 50, origin) == {**plain, "Range": "bytes=50-", "If-Range": '"one"'}
    assert answers.request_headers(weak, 50, None) == {**plain, "Range": "bytes=50-", "If-Range": "Monday"}
    assert answers.request_headers(NOTES, 0, origin) == {**plain, "If-None-Match": 'W/"weak"'}
    assert judged(304) == Unchanged()


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(status: int) -> None:
    assert judged(status, Retry_After="7") == Later(f"the server answered {status}", 7)
    assert judged(status, Retry_After="Thu, 26 Nov 2026 02:00:00 GMT") == Later(f"the server answered {status}", None)


def test_bytes_that_nothing_tells_the_file_of_are_not_gone_on_from() -> None:
    """A weak ETag may be of other bytes; a sum tells in the end."""
    bare = Notes(key="k", source="s", name="m")
    weak, summed = Notes(key="k", source="s", name="m", etag='W/"1"'), Notes(key="k", source="s", name="m", sha256="a")
    assert not bare.goes_on(bare) and not weak.goes_on(bare)
    assert NOTES.goes_on(bare) and summed.goes_on(summed)
    assert not summed.goes_on(Notes(key="k", source="s", name="m", sha256="b"))


def test_pauses_double_up_to_the_longest_and_end() -> None:
    patience = Patience(tries=6, first_pause_s=1, longest_pause_s=6, longest_asked_s=60)
    assert [patience.pause_s(failed, None) for failed in range(1, 7)] == [1, 2, 4, 6, 6, None]
    assert [patience.pause_s(1, asked) for asked in (0.0, 30.0, 61.0)] == [1, 30, None]
