"""Probabilities of tokens, as OpenAI tells them. Pure."""

from collections.abc import Iterable

from modelsvc.engine.types import Drawn, Logprob
from modelsvc.worker.openai.replies import DrawnToken, Probable


def drawn_tokens(drawn: Iterable[Drawn]) -> list[DrawnToken]:
    return [
        DrawnToken(
            token=text_of(each.chosen),
            logprob=each.chosen.logprob,
            bytes=list(each.chosen.piece),
            top_logprobs=[_probable(other) for other in each.top],
        )
        for each in drawn
    ]


def text_of(token: Logprob) -> str:
    return token.piece.decode("utf-8", "replace")


def _probable(token: Logprob) -> Probable:
    return Probable(token=text_of(token), logprob=token.logprob, bytes=list(token.piece))
