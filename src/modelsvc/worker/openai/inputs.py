"""Texts or tokens, one or several, as `prompt` of completions and `input` of embeddings are given. Pure."""

from typing import Annotated

from msgspec import Meta

from modelsvc.worker.errors import HttpError

MAX_INPUTS = 2048
TokenId = Annotated[int, Meta(ge=0, le=2**31 - 1)]
TokenIds = Annotated[list[TokenId], Meta(min_length=1)]
Inputs = str | Annotated[list[str | TokenId | TokenIds], Meta(min_length=1)]
Content = str | tuple[int, ...]


def contents(inputs: Inputs, param: str) -> list[Content]:
    """One for each text. Raises HttpError where there is a mixture, or more than are taken."""
    if isinstance(inputs, str):
        return [inputs]
    texts = [each for each in inputs if isinstance(each, str)]
    tokens = [each for each in inputs if isinstance(each, int)]
    lists = [each for each in inputs if isinstance(each, list)]
    if len(inputs) not in (len(texts), len(tokens), len(lists)):
        raise _refused(param, "it mixes kinds: send texts or tokens, not both")
    if len(texts) + len(lists) > MAX_INPUTS:
        raise _refused(param, f"it has {len(inputs)} texts, but at most {MAX_INPUTS} are taken: send them in parts")
    return [*texts, *(tuple(each) for each in [*lists, tokens] if each)]


def _refused(param: str, why: str) -> HttpError:
    return HttpError(400, "invalid_field", f"{param}: {why}", param=param)
