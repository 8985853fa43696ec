"""From tokens' bytes to pieces: whole characters, and never a part of a stop string."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelsvc.engine.output import Output
from modelsvc.engine.types import Drawn, Logprob, Token

LETTERS = st.text("abé€😀", max_size=30)
STOPS = st.lists(st.text("abé€😀", min_size=1, max_size=4), max_size=3)


def told(tokens: Iterable[bytes], stop: Sequence[str] = ()) -> tuple[list[Token], bool]:
    """The pieces, as the decoding thread makes them, and whether a stop string ended them."""
    output, pieces = Output(stop), []
    for token in tokens:
        pieces.append(output.push(token, Drawn(Logprob(token, -1.0))))
        if output.stopped:
            break
    pieces.append(output.end())
    return [piece for piece in pieces if piece is not None], output.stopped


def texts(tokens: Iterable[bytes], stop: Sequence[str] = ()) -> list[str]:
    return [piece.text for piece in told(tokens, stop)[0]]


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]


def before_first_stop(text: str, stop: Sequence[str]) -> str:
    for end in range(len(text) + 1):
        complete = [one for one in stop if text[:end].endswith(one)]
        if complete:
            return text[: end - max(map(len, complete))]
    return text


@settings(max_examples=300, deadline=None)
@given(LETTERS, STOPS, st.lists(st.integers(0, 200), max_size=40))
def test_the_answer_ends_before_the_first_stop_string_however_it_is_cut(
    text: str, stop: list[str], places: list[int]
) -> None:
    """The pieces depend on the text alone, not on where the tokens' edges are."""
    pieces, stopped = told(cut(text.encode(), places), stop)
    expected = before_first_stop(text, stop)
    assert "".join(piece.text for piece in pieces) == expected
    assert stopped == any(one in text for one in stop)


@given(st.binary(max_size=40), st.lists(st.integers(0, 200), max_size=40))
def test_bytes_that_are_no_characters_are_replaced(data: bytes, places: list[int]) -> None:
    """A model may say any bytes; a client gets valid text."""
    assert "".join(texts(cut(data, places))) == data.decode("utf-8", "replace")


@settings(max_examples=300, deadline=None)
@given(LETTERS, STOPS, st.lists(st.integers(0, 200), max_size=40))
def test_every_token_of_the_answer_is_told_once_in_order(text: str, stop: list[str], places: list[int]) -> None:
    """Log-probabilities travel with the text they belong to, and none of a stop string's is told."""
    tokens = cut(text.encode(), places)
    pieces, stopped = told(tokens, stop)
    found = [drawn.chosen.piece for piece in pieces for drawn in piece.drawn]
    assert found == tokens[: len(found)]
    answer = "".join(piece.text for piece in pieces).encode()
    assert len(b"".join(found)) >= len(answer)
    assert len(b"".join(found[:-1])) < len(answer) or not found
    assert stopped or found == tokens


def test_a_character_waits_for_its_last_byte() -> None:
    assert texts([b"\xe2", b"\x82", b"\xac", b"!"]) == ["€", "!"]


def test_what_may_become_a_stop_string_is_held_back_until_it_cannot() -> None:
    assert texts([b"a", b"\n", b"\n", b"b"], ["\n\n\n"]) == ["a", "\n\nb"]


def test_what_was_held_back_is_told_at_the_end() -> None:
    assert texts([b"a\n", b"\n"], ["\n\n\n"]) == ["a", "\n\n"]


@pytest.mark.parametrize("tokens", [[b"hi END"], [b"hi E", b"ND more"], [b"hi ", b"E", b"N", b"D"]])
def test_a_stop_string_is_found_over_tokens(tokens: list[bytes]) -> None:
    assert ("".join(texts(tokens, ["END"])), told(tokens, ["END"])[1]) == ("hi ", True)


def test_a_stop_string_is_found_over_the_bytes_of_a_character() -> None:
    assert texts([b"a", b"\xe2", b"\x82", b"\xac", b"b"], ["€b"]) == ["a"]


def test_of_stop_strings_complete_at_once_the_longest_counts() -> None:
    assert texts([b"xab"], ["b", "ab"]) == ["x"]


def test_without_stop_strings_nothing_waits() -> None:
    assert texts([b"a", b"\n", b""]) == ["a", "\n", ""]


def test_an_empty_stop_string_stops_nothing() -> None:
    assert texts([b"a", b"b"], [""]) == ["a", "b"]


def test_a_stop_string_may_be_long() -> None:
    """What is kept of it is itself, not all its beginnings: those of a million characters would fill the memory."""
    long = "a" * 1_000_000 + "b"
    assert texts([b"xaaa", b"ac"], [long]) == ["x", "aaaac"]
    assert told([long.encode()], [long]) == ([], True)
