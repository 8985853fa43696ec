"""What a new release must answer before it may serve. Pure: what was asked of it and what came back, judged."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

SHOWN_CHARACTERS = 120


@dataclass(frozen=True, slots=True)
class Check:
    """One `[[gate]]` table; empty texts and zeros ask for nothing."""

    prompt: str
    expect: str = ""
    pattern: str = ""
    same_as_active: bool = False
    max_tokens: int = 32
    max_first_token_s: float = 0.0
    min_tokens_per_second: float = 0.0

    @property
    def measures_speed(self) -> bool:
        return bool(self.max_first_token_s or self.min_tokens_per_second)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a worker said to a prompt at temperature 0, and how quickly."""

    text: str
    tokens: int
    first_token_s: float
    tokens_per_second: float


@dataclass(frozen=True, slots=True)
class Reference:
    """What the active worker said to the same prompt; without an `answer`, why there is nothing to compare with."""

    answer: Answer | None = None
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    check: Check
    got: Answer
    problems: tuple[str, ...]
    skipped: str = ""  # why the comparison with the active worker was not made
    transient: bool = False  # nothing but the speed was wrong, which may be another one in a while

    def evidence(self) -> Mapping[str, object]:
        """For the record, as JSON values."""
        return {
            "prompt": shortened(self.check.prompt),
            "passed": not self.problems,
            "problems": list(self.problems),
            "skipped": self.skipped,
            "got": shortened(self.got.text),
            "tokens": self.got.tokens,
            "first_token_s": self.got.first_token_s,
            "tokens_per_second": self.got.tokens_per_second,
        }

    def reason(self) -> str:
        """Why it does not pass: prompt, what was expected, what came."""
        return f"gate {shortened(self.check.prompt)!r}: {'; '.join(self.problems)}; got {shortened(self.got.text)!r}"


def judge(check: Check, got: Answer, reference: Reference) -> Verdict:
    wrong, slow = (*_wrong_text(check, got), *_differs(check, got, reference)), _too_slow(check, got)
    skipped = reference.why_not if check.same_as_active else ""
    return Verdict(check, got, (*wrong, *slow), skipped, transient=not wrong)


def comparable(own_sha256: object, active_sha256: object) -> str:
    """Why answers of these two model files cannot be expected to be the same; empty when they can."""
    if not own_sha256 or not active_sha256:
        return "not compared with the active worker: it does not tell its model file"
    return "" if own_sha256 == active_sha256 else "not compared with the active worker: it serves another model file"


def shortened(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def _wrong_text(check: Check, got: Answer) -> list[str]:
    problems = []
    if check.expect not in got.text:
        problems.append(f"expected {shortened(check.expect)!r} in the answer")
    if check.pattern and not re.search(check.pattern, got.text):
        problems.append(f"expected a match of {shortened(check.pattern)!r}")
    return problems


def _differs(check: Check, got: Answer, reference: Reference) -> list[str]:
    active = reference.answer
    if not check.same_as_active or active is None or (active.text, active.tokens) == (got.text, got.tokens):
        return []
    return [f"expected the active worker's answer {shortened(active.text)!r} ({active.tokens} tokens)"]


def _too_slow(check: Check, got: Answer) -> list[str]:
    problems = []
    if check.max_first_token_s and got.first_token_s > check.max_first_token_s:
        problems.append(
            f"expected the first token within {check.max_first_token_s:g} s, it took {got.first_token_s:.2f} s"
        )
    if check.min_tokens_per_second and got.tokens > 1 and got.tokens_per_second < check.min_tokens_per_second:
        wanted = f"{check.min_tokens_per_second:g}"
        problems.append(f"expected {wanted} tokens a second at least, it made {got.tokens_per_second:.2f}")
    return problems
