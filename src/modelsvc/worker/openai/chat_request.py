"""POST /v1/chat/completions: what may be asked. Pure."""

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta

from modelsvc.engine.types import ChatPrompt, GenerationRequest, Message
from modelsvc.worker.bodies import Body
from modelsvc.worker.defaults import Defaults
from modelsvc.worker.errors import HttpError
from modelsvc.worker.openai.messages import AnyMessage, as_message
from modelsvc.worker.openai.response_format import ResponseFormat, format_grammar
from modelsvc.worker.openai.tools import Tool, Toolbox, ToolChoice
from modelsvc.worker.openai.wanted import ALLOWED, Limit, Wanted, requests, token_limit

_ROLES = "allowed: system, developer, user, assistant, tool"
_TEXT_ONLY = "only parts of type text are understood: images, sound and files are not"
_TOOLS = "describe functions in tools, and choose with tool_choice"
_HINTS = {
    "messages[].role": _ROLES,
    "messages[].content[].type": _TEXT_ONLY,
    "modalities[]": 'answers are text: leave it out, or send ["text"]',
    "audio": "answers are text: leave it out",
    "functions": f"it is no longer spoken: {_TOOLS}",
    "function_call": f"it is no longer spoken: {_TOOLS}",
    "web_search_options": "nothing is looked up on the web: leave it out",
}


class ChatRequest(Wanted, frozen=True, kw_only=True):
    """`continue_final_message`: whether a last message by the assistant is the beginning of the answer."""

    messages: Annotated[list[AnyMessage], Meta(min_length=1)]
    max_completion_tokens: Limit | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    response_format: ResponseFormat | None = None
    tools: Annotated[list[Tool], Meta(max_length=128)] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    continue_final_message: bool | None = None
    modalities: list[Literal["text"]] | None = None
    audio: None = None
    functions: None = None
    function_call: None = None
    web_search_options: None = None


parse_chat = Body(ChatRequest, ALLOWED, _HINTS).decode


def chat_requests(asked: ChatRequest, tools: Toolbox, defaults: Defaults) -> list[GenerationRequest]:
    """One for each choice. Raises HttpError."""
    if asked.top_logprobs and not asked.logprobs:
        raise HttpError(400, "invalid_field", "top_logprobs: it needs logprobs to be true", param="top_logprobs")
    messages = [as_message(message, index) for index, message in enumerate(asked.messages)]
    grammar = tools.grammar or format_grammar(asked.response_format, with_tools=bool(tools.shown))
    prompt = _prompt(asked, messages, tools, defaults, held_to_form=grammar is not None)
    logprobs = (asked.top_logprobs or 0) if asked.logprobs else None
    return list(requests(asked, prompt, _limit(asked), defaults, logprobs=logprobs, grammar=grammar))


def _prompt(
    asked: ChatRequest, messages: Sequence[Message], tools: Toolbox, defaults: Defaults, *, held_to_form: bool
) -> ChatPrompt:
    """A beginning of the answer is gone on with where it can be, unless the client says otherwise."""
    *others, last = messages
    reason = _why_not_continued(last, bool(others), held_to_form)
    if asked.continue_final_message and reason:
        told = f"continue_final_message: {reason}: leave it out"
        raise HttpError(400, "invalid_field", told, param="continue_final_message")
    if reason or asked.continue_final_message is False:
        return ChatPrompt(defaults.with_system_prompt(messages), tools.shown)
    return ChatPrompt(defaults.with_system_prompt(others), tools.shown, begun=last.content)


def _why_not_continued(last: Message, follows: bool, held_to_form: bool) -> str | None:
    if last.role != "assistant" or "tool_calls" in last.fields:
        return "the last message is no text by the assistant"
    if not follows:
        return "the answer's beginning is all there is"
    return "an answer that is held to a form has to be whole" if held_to_form else None


def _limit(asked: ChatRequest) -> int | None:
    """The older name counts where the newer one is not used."""
    if asked.max_completion_tokens is not None:
        return token_limit("max_completion_tokens", asked.max_completion_tokens)
    return token_limit("max_tokens", asked.max_tokens)
