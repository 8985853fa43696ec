"""What the engine refuses or fails at.

EngineError
├── LoadFailed        the model cannot be loaded; the message carries llama.cpp's own reason
├── HeaderUnreadable  the file is no GGUF, or a damaged one (in gguf_header)
├── Unusable          inspection found the file unfit; `code` says how (in contents)
├── PromptRefused     the prompt cannot be built (the chat template rejects it)
│   ├── EmbeddingsRefused the model was not made for embeddings
│   ├── SamplingRefused   what it asks of the drawing of tokens cannot be done: a grammar, a schema, a token
│   │   └── GrammarTooSlow   following its grammar takes the decoding thread too long
│   └── ToolsRefused  the chat template has no place for tools
├── PromptTooLong     the newest message alone does not fit; carries the counts
├── QueueFull         too many requests wait already
├── DeadlineExceeded  the request's time was over before its answer began
├── DecodeFailed      llama.cpp could not compute a step
└── EngineStopped     the engine was closed while the request ran
"""


class EngineError(Exception):
    """Base of everything this package raises on purpose."""


class LoadFailed(EngineError):
    pass


class PromptRefused(EngineError):
    pass


class EmbeddingsRefused(PromptRefused):
    def __init__(self) -> None:
        super().__init__(
            "this model tells no embeddings: deploy one whose file names the pooling of its last token "
            "(pooling_type 3), as the files of embedding models do that also generate text"
        )


class SamplingRefused(PromptRefused):
    pass


class ToolsRefused(PromptRefused):
    pass


class GrammarTooSlow(SamplingRefused):
    pass


class PromptTooLong(EngineError):
    def __init__(self, prompt_tokens: int, context_tokens: int) -> None:
        self.prompt_tokens = prompt_tokens
        self.context_tokens = context_tokens
        super().__init__(
            f"the prompt needs {prompt_tokens} tokens, but this model's maximum context length is {context_tokens}, "
            "the answer included: shorten it or raise model.context_tokens"
        )


class QueueFull(EngineError):
    def __init__(self, waiting: int, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(f"{waiting} requests are waiting already: try again in {retry_after_s} s")


class DeadlineExceeded(EngineError):
    def __init__(self, waited_s: float) -> None:
        super().__init__(
            f"the answer had not begun after {waited_s:.0f} s, the time that the request allows: try again when fewer "
            "requests are waiting, or allow more time"
        )


class DecodeFailed(EngineError):
    pass


class EngineStopped(EngineError):
    pass
