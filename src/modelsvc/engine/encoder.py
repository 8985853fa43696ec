"""From a request's prompt to tokens: the model's chat template, its tokenizer, and the context they must fit in."""

from collections.abc import Mapping, Sequence
from typing import Any

from modelsvc.engine.errors import LoadFailed, PromptRefused, PromptTooLong
from modelsvc.engine.model import Model
from modelsvc.engine.prompt import fit
from modelsvc.engine.template import ChatTemplate
from modelsvc.engine.tool_syntax import Syntax, syntax_of
from modelsvc.engine.types import ChatPrompt, Message, Prompt, TextPrompt


class Encoder:
    """For one thread at a time."""

    def __init__(self, model: Model, context_tokens: int) -> None:
        """Raises LoadFailed for a template that fails on the simplest message: found now, and not by a user."""
        self._model = model
        self._context_tokens = context_tokens
        try:
            self._template = ChatTemplate(
                model.chat_template, model.begin_text(), model.end_text(), model.control_texts()
            )
            self._template.render([Message("user", "Hello")])
        except PromptRefused as error:
            raise LoadFailed(str(error)) from error

    @property
    def tool_syntax(self) -> Syntax | None:
        """How the model writes calls of tools, if its chat template shows that and it is known."""
        return syntax_of(self._template.source) if self._template.uses_tools else None

    def encode(self, prompt: Prompt, max_tokens: int | None) -> list[int]:
        """The prompt's tokens, at least one, with room for one more. Raises PromptTooLong or PromptRefused."""
        match prompt:
            case ChatPrompt(messages, shorten=True):
                wanted = max_tokens or self._context_tokens
                return self._checked(fit(messages, wanted, self._context_tokens, self._chat))
            case ChatPrompt(messages, tools, begun):
                return self._checked(self._chat(messages, tools, begun))
            case TextPrompt(content):
                return self._checked(self._text(content))

    def encode_whole(self, content: str | tuple[int, ...]) -> list[int]:
        """A text by itself, with what the vocabulary wants at both ends, and no control tokens in between.

        Raises PromptTooLong or PromptRefused.
        """
        if isinstance(content, str):
            return self._checked(self._model.tokenize(content, control=False, framed=True) if content else [])
        return self._checked(list(self._existing(content)))

    def text_of(self, content: str | tuple[int, ...]) -> str:
        """What a prompt says. Raises PromptRefused for tokens that do not exist. For any thread."""
        return content if isinstance(content, str) else self._model.text(self._existing(content))

    def _checked(self, tokens: list[int]) -> list[int]:
        if not tokens:
            raise PromptRefused("the prompt is empty: write something in it")
        if len(tokens) >= self._context_tokens:
            raise PromptTooLong(len(tokens), self._context_tokens)
        return tokens

    def _chat(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = (), begun: str = "") -> list[int]:
        segments = self._template.render(messages, tools, begun)
        return self._begun(
            [token for text, control in segments for token in self._model.tokenize(text, control=control)]
        )

    def _text(self, content: str | tuple[int, ...]) -> list[int]:
        if isinstance(content, str):
            return self._begun(self._model.tokenize(content, control=True))
        return list(self._existing(content))

    def _existing(self, tokens: tuple[int, ...]) -> tuple[int, ...]:
        if wrong := [token for token in tokens if not 0 <= token < self._model.tokens]:
            raise PromptRefused(f"there is no token {wrong[0]}: this model's are 0 to {self._model.tokens - 1}")
        return tokens

    def _begun(self, tokens: list[int]) -> list[int]:
        begin = self._model.begin
        return tokens if begin is None or tokens[:1] == [begin] else [begin, *tokens]
