"""Probabilities of tokens, as OpenAI tells them. Pure."""

from collections.abc import Iterable

from modelsvc.engine.types import Drawn, Logprob
from modelsvc.worker.openai.replies import DrawnToken, Probable, TextLogprobs


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


def text_logprobs(drawn: Iterable[Drawn], *, with_top: bool) -> TextLogprobs:
    drawn = list(drawn)
    top = [{text_of(token): token.logprob for token in (*each.top, each.chosen)} for each in drawn]
    return TextLogprobs(
        tokens=[text_of(each.chosen) for each in drawn],
        token_logprobs=[each.chosen.logprob for each in drawn],
        top_logprobs=top if with_top else None,
        text_offset=[each.at for each in drawn],
    )


def text_of(token: Logprob) -> str:
    return token.piece.decode("utf-8", "replace")


def _probable(token: Logprob) -> Probable:
    return Probable(token=text_of(token), logprob=token.logprob, bytes=list(token.piece))
