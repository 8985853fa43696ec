"""Messages to prompt text by the model's own chat template. Pure.

A message must not be able to speak for the template: `<|im_end|>` typed by a user is text, not the end of their turn.
So spellings of control tokens inside messages and tools are replaced by unguessable marks before the template runs, and
put back afterwards as segments that are tokenised without control tokens. Everything else the template sees and the
tokenizer joins exactly as the model's authors meant it.
"""

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, NoReturn

from jinja2 import Environment, TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import Name, Node
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from modelsvc.engine.errors import PromptRefused, ToolsRefused
from modelsvc.engine.types import Message

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class _Nothing(tuple[()]):
    """None to templates that ask for it, and empty to those that go through it without asking."""


_NO_TOOLS = _Nothing()


class Segment(NamedTuple):
    text: str
    control: bool  # whether spellings of control tokens mean those tokens


class ChatTemplate:
    def __init__(self, source: str | None, begin: str, end: str, control_texts: Sequence[str]) -> None:
        self._variables = {"bos_token": begin, "eos_token": end, "add_generation_prompt": True}
        self._control = _any_of(control_texts)
        self.source = CHATML if source is None else source
        environment = _environment()
        try:
            self.uses_tools = any(name.name == "tools" for name in environment.parse(self.source).find_all(Name))
            self._template = environment.from_string(self.source)
        except TemplateError as error:
            raise PromptRefused(f"the model's chat template cannot be read: {error}") from error

    def render(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = (), begun: str = ""
    ) -> list[Segment]:
        """`begun`: what the answer begins with.

        Raises PromptRefused; ToolsRefused for tools, or calls of them, that the template does not know.
        """
        if not self.uses_tools and (tools or any(map(_about_tools, messages))):
            raise ToolsRefused(
                "this model's chat template has no place for tools: leave them out, or ask another model"
            )
        marks = _Marks(self._control)
        hidden = [
            {"role": message.role, "content": marks.hide(message.content), **marks.hide_all(message.fields)}
            for message in messages
        ]
        try:
            text = self._template.render(messages=hidden, tools=marks.hide_all(tools) or _NO_TOOLS, **self._variables)
        except (TemplateError, TypeError, ValueError) as error:
            raise PromptRefused(f"the model's chat template refuses these messages: {error}") from error
        return marks.reveal(text + marks.hide(begun))


class _Marks:
    """One rendering's replacements; the nonce keeps messages from forging a mark."""

    def __init__(self, control: re.Pattern[str] | None) -> None:
        self._control = control
        self._nonce = secrets.token_hex(8)
        self._hidden: list[str] = []

    def hide(self, text: str) -> str:
        return self._control.sub(self._replace, text) if self._control else text

    def hide_all(self, value: Any) -> Any:
        """The same in every text of a JSON value."""
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, Mapping):
            return {self.hide(key): self.hide_all(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.hide_all(each) for each in value]
        return value

    def _replace(self, match: re.Match[str]) -> str:
        self._hidden.append(match[0])
        return f"\ue000{self._nonce}:{len(self._hidden) - 1}\ue001"

    def reveal(self, text: str) -> list[Segment]:
        parts = re.split(f"\ue000{self._nonce}:(\\d+)\ue001", text)
        plain = [Segment(part, control=True) for part in parts[::2]]
        hidden = [Segment(self._hidden[int(index)], control=False) for index in parts[1::2]]
        pairs = zip(plain, [*hidden, Segment("", control=False)], strict=True)
        return [segment for pair in pairs for segment in pair if segment.text]


class _Generation(Extension):
    """`{% generation %}` marks training targets in some templates; rendering ignores it."""

    tags = {"generation"}  # noqa: RUF012 - jinja2 declares it so

    def parse(self, parser: Parser) -> Node | list[Node]:
        parser.stream.skip(1)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _about_tools(message: Message) -> bool:
    return message.role == "tool" or "tool_calls" in message.fields


def _environment() -> Environment:
    """The environment that chat templates are written for (that of Hugging Face's transformers)."""
    extensions: list[type[Extension]] = [_Generation, loopcontrols]
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=extensions)
    environment.filters["tojson"] = _to_json
    environment.tests["none"] = lambda value: value is None or value is _NO_TOOLS
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = _strftime_now
    return environment


def _any_of(texts: Sequence[str]) -> re.Pattern[str] | None:
    longest_first = sorted(texts, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first))) if texts else None


def _to_json(value: object, **options: Any) -> str:
    return json.dumps(value, **({"ensure_ascii": False} | options))


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)


def _strftime_now(form: str) -> str:
    return datetime.now().strftime(form)
