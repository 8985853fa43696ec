"""What is to be computed: the work of a request, and the step that carries some of it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from modelsvc.engine.cells import Edit


@dataclass(frozen=True, slots=True)
class Work:
    id: int
    prompt: Sequence[int]
    max_tokens: int

    @property
    def cache_tokens(self) -> int:
        return len(self.prompt) + self.max_tokens


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of one sequence's tokens in a step; `samples` says that a token is drawn after its last one."""

    id: int
    line: int
    start: int
    tokens: tuple[int, ...]
    samples: bool


@dataclass(frozen=True, slots=True)
class Step:
    """`edits` are made in the cache first. `answers` of its tokens go on with answers, the others are of prompts."""

    edits: tuple[Edit, ...]
    pieces: tuple[Piece, ...]
    answers: int

    @property
    def tokens(self) -> int:
        return sum(len(piece.tokens) for piece in self.pieces)
