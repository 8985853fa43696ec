"""What is kept of each request, and when the pieces of a stream arrived."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loadtest.records import Record, Writer, read, utc
from loadtest.sse import Arrivals, gaps_ms
from tests.load.samples import RIGHT, record

STREAM = (
    b'event: token\r\ndata: {"text":"a"}\r\n\r\n'
    b'event: token\ndata: {"text":"\xc3\xa9"}\n\n'  # the other kind of line ends
    b"event: done\r\ndata: {}\r\n\r\n"
)


def test_records_are_read_as_they_were_written(tmp_path: Path) -> None:
    """Every field, by when their clients began; a failure may have any text."""
    failed = record(9.5, 0.25, status=0, color="", release="", tokens=None, failure='cut, "there"\nand gone')
    streamed = record(10.5, 2.0, first_token_s=0.125, gaps_ms=(1.5, 0.0, 12.25))
    path = tmp_path / "requests.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = Writer(file)
        for one in (streamed, RIGHT, failed):
            writer.write(one)
        assert read(path) == [failed, RIGHT, streamed]  # each is there as soon as it was written


def test_a_long_stream_has_as_many_gaps_as_it_has(tmp_path: Path) -> None:
    """More text than csv takes in a field by itself."""
    long = record(1.0, 60.0, first_token_s=0.5, gaps_ms=(12.345,) * 30_000)
    path = tmp_path / "requests.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        Writer(file).write(long)
    assert read(path) == [long]


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    """With the place; half a row is not a request that went well."""
    path = tmp_path / "requests.csv"
    header = ",".join(RIGHT.row())
    path.write_text(f"{header}\n2026-01-02T03:04:05.678Z,10.0,ShortChat\n")

    with pytest.raises(ValueError, match="row 1 is no record"):
        read(path)


def test_a_record_ends_when_its_answer_was_whole() -> None:
    assert record(10.0, 2.5).ended_s == 12.5
    assert utc(0.1234) == "1970-01-01T00:00:00.123Z"
    assert Record.of({name: str(value) for name, value in RIGHT.row().items()}) == RIGHT


@given(st.lists(st.integers(0, len(STREAM)), max_size=20).map(sorted))
def test_tokens_are_found_however_the_stream_is_cut(cuts: list[int]) -> None:
    """A token has arrived with the end of its event, and not before; what ends the stream is none."""
    arrivals = Arrivals()
    bounds = [0, *cuts, len(STREAM)]
    for number, (begin, end) in enumerate(pairwise(bounds)):
        arrivals.feed(STREAM[begin:end], float(number))

    first, second = STREAM.index(b"\r\n\r\n") + 4, STREAM.index(b"\n\nevent: done") + 2
    assert arrivals.tokens_s == [sum(cut < place for cut in cuts) for place in (first, second)]


def test_gaps_are_between_neighbours() -> None:
    assert gaps_ms([1.0, 1.25, 1.25]) == (250.0, 0.0)
    assert gaps_ms([1.0]) == ()
