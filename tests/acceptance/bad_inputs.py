"""The table: what is sent, and how it must be answered. A new command or path brings its rows with it.

`words` must all be in the message: the wrong value, or where it is, and what to do.
`python -m tests.acceptance.bad_inputs` prints it.
"""

import json
import sys
from dataclasses import dataclass, field

MIB = 2**20
NESTED = b'{"message": ' + b"[" * 100_000


@dataclass(frozen=True)
class Http:
    """Sent as it stands to the edge or to a worker; `key` False: without an API key."""

    to: str
    method: str
    path: str
    status: int
    code: str
    words: tuple[str, ...]
    body: bytes = b""
    headers: tuple[str, ...] = ()
    key: bool = True
    host: str | None = "localhost"

    @property
    def sent(self) -> str:
        headers = [
            *self.headers,
            *([] if self.key else ["no key"]),
            *([] if self.host == "localhost" else [f"Host: {self.host}"]),
        ]
        return " ".join([self.method, _short(self.path), *map(_short, headers), _short(self.body.decode("latin-1"))])

    @property
    def expected(self) -> str:
        return f"{self.status} {self.code}"


@dataclass(frozen=True)
class Cli:
    """`modelsvc` with arguments; {folder} stands for a folder with files to go wrong with, {config} and {url} too."""

    args: tuple[str, ...]
    exit: int
    code: str
    words: tuple[str, ...]
    to: str = "cli"

    @property
    def sent(self) -> str:
        return " ".join(("modelsvc", *map(_short, self.args)))

    @property
    def expected(self) -> str:
        return f"exit {self.exit} {self.code}"


@dataclass(frozen=True)
class Config:
    """A configuration that `modelsvc up` is given."""

    text: str
    words: tuple[str, ...]
    exit: int = 2
    code: str = "bad_config"
    to: str = field(default="config")

    @property
    def sent(self) -> str:
        return _short(self.text.replace("\n", " "))

    @property
    def expected(self) -> str:
        return f"exit {self.exit} {self.code}"


Row = Http | Cli | Config


def _ask(body: bytes | str, code: str, *words: str, path: str = "/chat", to: str = "worker") -> Http:
    content = body if isinstance(body, bytes) else body.encode()
    return Http(to, "POST", path, 400, code, words, content)


MESSAGES: list[Row] = [
    _ask("", "invalid_json", "not JSON", "send an object"),
    _ask("{", "invalid_json", "not JSON", "truncated"),
    _ask("{'message': 'x'}", "invalid_json", "malformed"),
    _ask(b"\xff\xfe\x00", "invalid_json", "malformed"),
    _ask(b'{"message": "\xff"}', "invalid_json", "not JSON"),
    _ask(b'{"message": "\\ud800"}', "invalid_json", "not JSON"),
    _ask('{"message": "x"} trailing', "invalid_json", "trailing"),
    _ask(NESTED, "invalid_field", "message: must be a string, not a list"),
    _ask("[]", "invalid_field", "must be an object, not a list"),
    _ask("null", "invalid_field", "must be an object, not null"),
    _ask("{}", "invalid_field", "required field `message`", "allowed: message"),
    _ask('{"message": ""}', "invalid_field", "message is empty", "write something"),
    _ask('{"message": " \\n\\t"}', "invalid_field", "message is empty"),
    _ask('{"message": 5}', "invalid_field", "message: must be a string", "not 5"),
    _ask('{"message": null}', "invalid_field", "message: must be a string"),
    _ask('{"message": "x", "mesage": "y"}', "invalid_field", "unknown field `mesage`", "allowed: message"),
    _ask(json.dumps({"message": "x" * 100_001}), "invalid_field", "message: must be a string of length <= 100000"),
    _ask('{"message": "x", "max_tokens": 0}', "invalid_field", "max_tokens: must be a whole number >= 1", "not 0"),
    _ask('{"message": "x", "max_tokens": -5}', "invalid_field", "max_tokens", "not -5", "1 or more"),
    _ask('{"message": "x", "max_tokens": 1.5}', "invalid_field", "max_tokens: must be a whole number", "not 1.5"),
    _ask('{"message": "x", "max_tokens": "8"}', "invalid_field", "max_tokens: must be a whole number", "not '8'"),
    _ask('{"message": "x", "max_tokens": 1e400}', "invalid_field", "max_tokens: Number out of range"),
    _ask(
        '{"message": "x", "max_tokens": 99999999999}', "invalid_field", "max_tokens", "<= 2147483647", "not 99999999999"
    ),
    _ask('{"message": "x", "temperature": -0.1}', "invalid_field", "temperature", "not -0.1", "0 to 2"),
    _ask('{"message": "x", "temperature": 2.1}', "invalid_field", "temperature", "not 2.1"),
    _ask('{"message": "x", "temperature": NaN}', "invalid_json", "not JSON"),
    _ask('{"message": "x", "temperature": Infinity}', "invalid_json", "not JSON"),
    _ask('{"message": "x", "stream": "yes"}', "invalid_field", "stream: must be true, false or null", "not 'yes'"),
    _ask(json.dumps({"message": "word " * 5000}), "prompt_too_long", "1024"),
    _ask(json.dumps({"message": "word " * 5000}), "prompt_too_long", "1024", path="/chat/ada", to="edge"),
    _ask("{", "invalid_json", "truncated", to="edge"),
    _ask('{"message": ""}', "invalid_field", "message is empty", path="/chat/ada", to="edge"),
]
HELLO = b'{"message": "Hello"}'
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"


def _v1(fields: str, code: str, *words: str, path: str = CHAT, to: str = "worker") -> Http:
    """`fields` beside what is needed."""
    needed = '"messages": [{"role": "user", "content": "Hello"}]' if path == CHAT else '"prompt": "Hello"'
    return _ask(f"{{{needed}, {fields}}}", code, *words, path=path, to=to)


def _said(messages: str, *words: str) -> Http:
    return _ask(f'{{"messages": {messages}}}', "invalid_field", *words, path=CHAT)


TOOL = '{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}'
OPENAI: list[Row] = [
    _ask("", "invalid_json", "not JSON", "/openapi.json", path=CHAT),
    _ask("[]", "invalid_field", "must be an object, not a list", path=CHAT, to="edge"),
    _ask("{}", "invalid_field", "required field `messages`", "/openapi.json", path=CHAT),
    _said("5", "messages: must be a list", "not 5"),
    _said("[]", "messages: must be a list of length >= 1"),
    _said('["Hello"]', "messages[0]: must be an object", "not 'Hello'"),
    _said('[{"role": "robot", "content": "x"}]', "messages[0].role", "'robot'", "allowed: system, developer, user"),
    _said('[{"role": "user"}]', "messages[0]", "required field `content`"),
    _said('[{"role": "user", "content": null}]', "messages[0].content", "not None"),
    _said('[{"role": "user", "content": []}]', "messages[0].content", "length >= 1"),
    _said(
        '[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]',
        "messages[0].content[0].type",
        "'image_url'",
        "only parts of type text",
    ),
    _said(
        '[{"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f",'
        ' "arguments": "x"}}]}]',
        "messages[0].tool_calls[0].function.arguments",
        "must be a JSON object",
    ),
    _v1('"temperature": 2.5', "invalid_field", "temperature", "<= 2.0", "not 2.5"),
    _v1('"temperature": "hot"', "invalid_field", "temperature", "not 'hot'", to="edge"),
    _v1('"top_p": -1', "invalid_field", "top_p", ">= 0.0", "not -1"),
    _v1('"top_k": -2', "invalid_field", "top_k", ">= -1", "not -2"),
    _v1('"n": 9', "invalid_field", "n: must be a whole number <= 8", "not 9"),
    _v1('"max_tokens": 0', "invalid_field", "max_tokens", ">= 1", "not 0"),
    _v1('"max_completion_tokens": 1.5', "invalid_field", "max_completion_tokens", "not 1.5"),
    _v1('"seed": "x"', "invalid_field", "seed", "not 'x'"),
    _v1('"presence_penalty": 3', "invalid_field", "presence_penalty", "<= 2.0", "not 3"),
    _v1('"repeat_penalty": 0', "invalid_field", "repeat_penalty", "> 0.0", "not 0"),
    _v1('"logit_bias": {"hello": 1}', "invalid_field", "logit_bias", "regex"),
    _v1('"logit_bias": {"999999999": 1}', "prompt_refused", "999999999"),
    _v1('"stop": [1]', "invalid_field", "stop[0]", "not 1"),
    _v1('"stream": "yes"', "invalid_field", "stream", "not 'yes'"),
    _v1('"top_logprobs": 2', "invalid_field", "top_logprobs", "needs logprobs"),
    _v1('"timeout_s": 0', "invalid_field", "timeout_s", ">= 1", "not 0"),
    _v1('"modalities": ["audio"]', "invalid_field", "modalities[0]", "'audio'", "answers are text"),
    _v1('"audio": {}', "invalid_field", "audio", "answers are text"),
    _v1('"functions": []', "invalid_field", "functions", "describe functions in tools"),
    _v1('"function_call": "auto"', "invalid_field", "function_call", "tool_choice"),
    _v1('"web_search_options": {}', "invalid_field", "web_search_options", "leave it out"),
    _v1('"response_format": {"type": "xml"}', "invalid_field", "response_format.type", "'xml'"),
    _v1(
        '"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "wood"}}}',
        "schema_refused",
        "response_format",
        "'wood'",
    ),
    _v1(f'"tools": [{TOOL}]', "tools_not_supported", "chat template", "another model"),
    _v1(f'"tools": [{TOOL}], "tool_choice": "required"', "tools_not_supported", "no place for tools"),
    _v1('"tools": [], "tool_choice": "required"', "invalid_field", "tool_choice", "names no tool"),
    _v1('"tools": [{"type": "retrieval"}]', "invalid_field", "tools[0].type", "'retrieval'"),
    _ask(
        json.dumps({"messages": [{"role": "user", "content": "word " * 5000}]}),
        "context_length_exceeded",
        "1024",
        path=CHAT,
        to="edge",
    ),
    _ask("{}", "invalid_field", "required field `prompt`", path=TEXT),
    _ask('{"prompt": []}', "invalid_field", "prompt", "length >= 1", path=TEXT),
    _ask('{"prompt": ["a", 1]}', "invalid_field", "prompt", "texts or tokens, not both", path=TEXT),
    _ask('{"prompt": [99999999]}', "prompt_refused", "no token 99999999", path=TEXT),
    _ask('{"prompt": ""}', "prompt_refused", "the prompt is empty", "write something", path=TEXT),
    _ask(json.dumps({"prompt": "word " * 5000}), "context_length_exceeded", "1024", path=TEXT),
    _v1('"suffix": "x"', "invalid_field", "suffix", "at its end only", path=TEXT),
    _v1('"best_of": 2', "invalid_field", "best_of", "is not n (1)", path=TEXT, to="edge"),
    _v1('"echo": true, "logprobs": 1', "invalid_field", "logprobs", "ask for one of them", path=TEXT),
    _ask(json.dumps({"prompt": ["a"] * 999}), "too_many_choices", "999", "at most", path=TEXT),
    _ask('{"input": "x"}', "embeddings_not_supported", "pooling_type", "deploy one", path="/v1/embeddings"),
    _ask("{}", "invalid_field", "required field `input`", path="/v1/embeddings"),
    _ask('{"input": 5}', "invalid_field", "input", "not 5", path="/v1/embeddings", to="edge"),
    Http("worker", "GET", "/v1/models/gpt-4o", 404, "model_not_found", ("'gpt-4o'", "the one that is served is")),
    Http("edge", "POST", "/v1/images/generations", 404, "no_such_route", ("/v1/images", "/openapi.json"), b"{}"),
    Http("worker", "GET", CHAT, 405, "method_not_allowed", ("GET", "which it does")),
    Http("edge", "GET", "/v1/models", 401, "no_api_key", ("Authorization: Bearer KEY",), key=False),
]
REQUESTS: list[Row] = [
    *(Http(to, "POST", "/chat", 413, "body_too_large", ("1048576",), b"x" * (MIB + 1)) for to in ("worker", "edge")),
    *(Http(to, "GET", "/nothing", 404, "no_such_route", ("/nothing", "/openapi.json")) for to in ("worker", "edge")),
    Http("worker", "GET", "/", 404, "no_such_route", ("GET '/'",)),
    Http("worker", "POST", "/chat/a/b", 404, "no_such_route", ("/chat/a/b",), HELLO),
    Http("worker", "GET", "/../../etc/passwd", 404, "no_such_route", ("/etc/passwd",)),
    Http("worker", "GET", "/chat", 405, "method_not_allowed", ("GET '/chat'", "which it does")),
    Http("edge", "PUT", "/chat/ada", 405, "method_not_allowed", ("PUT '/chat/ada'",), HELLO),
    Http("worker", "POST", "/ready", 405, "method_not_allowed", ("POST '/ready'",)),
    Http("worker", "BREW", "/chat", 405, "method_not_allowed", ("BREW '/chat'",)),
    *(
        Http("worker", "GET", f"/chat/{user}", 400, "invalid_user_id", ("1 to 64 of A-Z", said))
        for user, said in (
            ("a%20b", "'a b'"),
            ("ada%3Abob", "'ada:bob'"),
            ("%00", "x00"),
            ("%C3%A0", "à"),
            ("x" * 65, "'xxxx"),
        )
    ),
    Http("edge", "DELETE", "/chat/a%20b", 400, "invalid_user_id", ("'a b'",)),
    Http(
        "worker",
        "POST",
        "/chat/ada",
        400,
        "invalid_request_id",
        ("X-Modelsvc-Request",),
        HELLO,
        ("X-Modelsvc-Request: a b",),
    ),
    *(
        Http(to, "POST", "/chat", 401, "no_api_key", ("Authorization: Bearer KEY",), HELLO, key=False)
        for to in ("worker", "edge")
    ),
    Http("edge", "GET", "/metrics", 401, "no_api_key", ("modelsvc keys add",), key=False),
    Http(
        "edge",
        "GET",
        "/chat/ada",
        401,
        "wrong_api_key",
        ("not known", "modelsvc keys add"),
        key=False,
        headers=("Authorization: Bearer guess",),
    ),
    Http(
        "worker",
        "GET",
        "/chat/ada",
        401,
        "wrong_api_key",
        ("Bearer KEY",),
        key=False,
        headers=("Authorization: Basic YTpi",),
    ),
    Http(
        "worker", "GET", "/ready", 403, "host_not_allowed", ("'evil.test'", "security.allowed_hosts"), host="evil.test"
    ),
    Http("edge", "GET", "/ready", 403, "host_not_allowed", ("'evil.test'", "security.allowed_hosts"), host="evil.test"),
    Http(
        "worker",
        "POST",
        "/chat",
        403,
        "origin_not_allowed",
        ("https://evil.test", "security.allowed_origins"),
        HELLO,
        ("Origin: https://evil.test",),
    ),
    Http("edge", "POST", "/chat", 403, "origin_not_allowed", ("'null'",), HELLO, ("Origin: null",)),
    Http(
        "worker",
        "GET",
        "/ready",
        431,
        "headers_too_large",
        ("84 headers", "at most 80"),
        headers=tuple(f"X-{n}: 1" for n in range(80)),
    ),
    Http(
        "worker",
        "GET",
        "/ready",
        431,
        "headers_too_large",
        ("at most 80 of 32768 bytes",),
        headers=(f"X-Long: {'x' * 40_000}",),
    ),
]


def _control(method: str, path: str, status: int, code: str, *words: str, body: str | bytes = b"") -> Http:
    return Http("control", method, path, status, code, words, body if isinstance(body, bytes) else body.encode())


DEPLOY = "/v1/deployments"
CONTROL: list[Row] = [
    _control("POST", DEPLOY, 400, "invalid_request", "must be a JSON object"),
    _control("POST", DEPLOY, 400, "invalid_request", "truncated", body="{"),
    _control("POST", DEPLOY, 400, "invalid_request", "malformed", body=b"\xff"),
    _control("POST", DEPLOY, 400, "invalid_request", "unknown field `modle`", body='{"modle": "/a"}'),
    _control("POST", DEPLOY, 400, "invalid_request", "model", "Expected", body='{"model": 5}'),
    _control("POST", DEPLOY, 400, "model_path_relative", "absolute path", "'a.gguf'", body='{"model": "a.gguf"}'),
    _control(
        "POST", DEPLOY, 400, "bad_setting", "'edge.listen'", "model.slots", body='{"settings": {"edge.listen": 1}}'
    ),
    _control("POST", DEPLOY, 400, "bad_setting", "model.slots", "not 0", body='{"settings": {"model.slots": 0}}'),
    _control("POST", DEPLOY, 413, "invalid_request", "more than 65536 bytes", body=b'{"model": "' + b"x" * 70_000),
    _control("POST", "/v1/workers/red/start", 400, "invalid_request", "color", "blue"),
    _control("POST", "/v1/workers/blue/stop", 400, "invalid_request", "force", body='{"force": "yes"}'),
    _control("GET", "/v1/nothing", 404, "not_found", "/v1/nothing"),
    _control("GET", "/v1/../../etc/passwd", 404, "not_found", "/etc/passwd"),
    _control("DELETE", "/v1/status", 405, "invalid_request", "DELETE /v1/status", "Method Not Allowed"),
    _control("GET", "/v1/logs", 400, "invalid_request", "source"),
    _control("GET", "/v1/logs?source=../journal", 404, "no_log", "'../journal'", "supervisor"),
    _control("GET", "/v1/logs?source=blue&lines=0", 400, "invalid_request", "lines", ">= 1"),
    _control("GET", "/v1/logs?source=blue&after=now", 400, "invalid_request", "after", "[0-9]"),
    _control("POST", "/v1/swap?to=red", 400, "invalid_request", "to", "blue and green"),
    _control("POST", "/v1/rollback?to=", 400, "invalid_request", "to", "blue and green"),
    _control("GET", "/v1/history?limit=many", 400, "invalid_request", "limit"),
    _control("GET", "/v1/deployments/999", 404, "no_deployment", "999", "modelsvc ctl history"),
    _control("GET", "/v1/events?after=-1", 400, "invalid_request", "after", ">= 0"),
    _control("GET", "/v1/events?after=now", 400, "invalid_request", "after"),
    _control("GET", f"/v1/deployments/-{'9' * 30}", 400, "invalid_request", "number", ">= 1"),
]


def _cli(line: str, *words: str, exit: int = 2, code: str = "usage") -> Cli:
    return Cli(tuple(line.split()), exit, code, words)


COMMANDS: list[Row] = [
    _cli("teleport", "No such command 'teleport'", "--help"),
    _cli("ctl teleport", "No such command 'teleport'", "modelsvc ctl --help"),
    _cli("--nonsense", "No such option", "--nonsense"),
    _cli("ctl status --nonsense", "--nonsense", "modelsvc ctl status --help"),
    _cli("ctl status now", "unexpected extra argument", "now"),
    _cli("ctl start red", "'red'", "'blue', 'green'"),
    _cli("ctl start", "Missing argument 'COLOR'"),
    _cli("ctl logs syslog", "'syslog'", "supervisor"),
    _cli("ctl logs blue -n 0", "0", "1<=x<=10000"),
    _cli("ctl swap red", "'red'", "'blue', 'green'"),
    _cli("ctl rollback --to red", "--to", "'red'", "'blue', 'green'"),
    _cli("ctl explain 0", "0", "x>=1"),
    _cli("ctl explain 999", "there is no deployment 999", "modelsvc ctl history", code="no_deployment"),
    _cli("completion tcsh", "'tcsh'", "'bash', 'zsh', 'fish'"),
    _cli("reset", "nothing in", "nobody can be asked", "--yes", code="invalid_request"),
    _cli("up --timeout 3", "--timeout", "--detach"),
    _cli("up --detach --timeout 0", "0", "0<x<=1000000"),
    _cli("up --detach --config {folder}/text.gguf", "cannot be read as TOML", code="bad_config"),
    _cli("up --detach --config {folder}/missing.toml", "--config names", "missing.toml", code="no_config_file"),
    _cli("ctl history 0", "0", "x>=1"),
    _cli("ctl events --event boom", "'boom'", "deployment_ended"),
    _cli("ctl events --after -1", "-1", "x>=0"),
    _cli("ctl events --count 0", "0", "x>=1"),
    _cli("ctl history 999", "there is no deployment 999", "modelsvc ctl history", code="no_deployment"),
    _cli("ctl history --limit many", "'many'", "integer"),
    _cli("ctl swap --timeout 0", "0", "0<x<=1000000"),
    _cli("ctl swap --timeout nan", "nan is not a number"),
    _cli("ctl swap --timeout inf", "inf", "0<x<=1000000"),
    _cli("chat --temperature nan Hello", "nan is not a number"),
    _cli("ctl deploy --set model.slots", "KEY=VALUE", "'model.slots'", code="bad_setting"),
    _cli("ctl deploy --set =4", "cannot be set", "model.slots", code="bad_setting"),
    _cli("ctl deploy --set model.slots=", "KEY=VALUE", code="bad_setting"),
    _cli("ctl deploy --set edge.listen=1", "'edge.listen' cannot be set", "model.slots", code="bad_setting"),
    _cli("ctl deploy --set model.slots=0", "model.slots", "not 0", code="bad_setting"),
    _cli("ctl deploy --set model.slots=many", "model.slots", "'many'", code="bad_setting"),
    _cli("ctl deploy --set model.slots=[1]", "not a single value", code="bad_setting"),
    _cli("ctl deploy --set model.kv_cache=f8", "model.kv_cache", "'q8_0'", "'f8'", code="bad_setting"),
    _cli("ctl deploy --set model.context_tokens=1e99", "model.context_tokens", code="bad_setting"),
    _cli("ctl deploy --set model.gpu_layers=-1", "model.gpu_layers", "auto", "-1", code="bad_setting"),
    _cli("ctl deploy --model {folder}/missing.gguf", "there is no model file", "missing.gguf", code="no_model_file"),
    _cli("ctl deploy --model {folder}", "is a folder", "name the GGUF file", code="no_model_file"),
    _cli("ctl deploy --model {folder}/text.gguf", "is no GGUF file", code="not_gguf"),
    _cli("ctl deploy --model {folder}/cut.gguf", "cut.gguf", exit=4, code=""),
    _cli("ctl deploy --model {folder}/text.gguf --set model.path=x", "give one of them", code="invalid_request"),
    _cli(
        "ctl deploy --model nothing", "there is no model file", "the store has no model 'nothing'", code="no_model_file"
    ),
    _cli("ctl prewarm --model nothing", "the store has no model 'nothing'", "model pull", code="no_model_file"),
    _cli("model pull", "Missing argument 'SOURCE'"),
    _cli("model pull ftp://a/m.gguf", "'ftp://a/m.gguf'", "hf://owner/repo/file.gguf", code="bad_source"),
    _cli("model pull hf://owner/m.gguf", "'hf://owner/m.gguf'", "does not name a file of a", code="bad_source"),
    _cli("model pull https://", "'https://'", "is no address", code="bad_source"),
    _cli("model pull file://elsewhere/m.gguf", "'elsewhere'", "another machine", code="bad_source"),
    _cli("model pull ~no-such-user/m.gguf", "'~no-such-user/m.gguf'", "cannot be a path", code="no_model_file"),
    _cli(f"model pull {'a' * 300}.gguf --name m", "File name too long", code="no_model_file"),
    _cli(f"model inspect {'a' * 300}", "the store has no model", code="no_such_model"),
    _cli("ctl deploy --model ~no-such-user/m.gguf", "cannot be a path", code="no_model_file"),
    _cli(f"ctl deploy --model ./{'a' * 300}", "there is no model file", code="no_model_file"),
    _cli("model pull {folder}/missing.gguf", "there is no file", "missing.gguf", code="no_model_file"),
    _cli("model pull {folder} --name m", "is no file", "name the GGUF file", code="no_model_file"),
    _cli("model pull {folder}/text.gguf", "text.gguf is not a GGUF file", "b'This'", exit=4, code="model_not_gguf"),
    _cli("model pull {folder}/cut.gguf", "cut.gguf", "promises", exit=4, code="model_truncated"),
    _cli("model pull {folder}/cut.gguf --name ../m", "'../m'", "has a slash", "--name", code="bad_name"),
    _cli("model pull {folder}/cut.gguf --name .m", "'.m'", "begins with '.'", code="bad_name"),
    _cli("model pull {folder}/cut.gguf --sha256 12", "--sha256", "64 hexadecimal digits", "'12'", code="bad_checksum"),
    _cli("model pull {folder}/cut.gguf --tries 0", "0", "1<=x<=100"),
    _cli("model pull {folder}/cut.gguf --stall nan", "nan is not a number"),
    _cli("model pull http://models.invalid/m.gguf", "is not https", "--sha256", exit=4, code="unsafe_source"),
    _cli(
        "model pull http://127.0.0.1:1/m.gguf --tries 1",
        "http://127.0.0.1:1/m.gguf",
        "try again later",
        exit=1,
        code="download_failed",
    ),
    _cli("model inspect nothing", "no model 'nothing'", "model pull", code="no_such_model"),
    _cli("model inspect {folder}/text.gguf", "text.gguf is not a GGUF file", exit=4, code="model_not_gguf"),
    _cli("model verify nothing", "no model 'nothing'", code="no_such_model"),
    _cli("model remove nothing", "no model 'nothing'", code="no_such_model"),
    _cli("model remove", "REFERENCE or --partial"),
    _cli("model --config {folder}/text.gguf list", "cannot be read as TOML", code="bad_config"),
    _cli("ctl --socket nowhere.sock status", "nowhere.sock", "modelsvc up", exit=3, code="unreachable"),
    _cli("ctl --socket {folder}/text.gguf status", "text.gguf", exit=3, code="unreachable"),
    _cli("ctl --config {folder}/missing.toml status", "--config names", "no such file", code="no_config_file"),
    _cli("ctl --config {folder}/text.gguf status", "cannot be read as TOML", code="bad_config"),
    _cli("ctl stop {active}", "{active}", "--force", exit=4, code=""),
    _cli("chat --max-tokens -5 Hello", "-5", "x>=1"),
    _cli("chat --temperature -1 Hello", "-1", "x>=0"),
    _cli("chat --temperature 3 Hello", "temperature", "not 3.0", "0 to 2", code="invalid_field"),
    _cli("chat --timeout 0 Hello", "0", "0<x<=1000000"),
    _cli("chat --user a:b Hello", "'a:b'", "1 to 64", code="invalid_user_id"),
    _cli("chat --url nonsense Hello", "'nonsense'", "http://127.0.0.1:8080", code="invalid_request"),
    _cli("chat --url ftp://localhost Hello", "'ftp://localhost'", "write it as http://", code="invalid_request"),
    _cli(
        "chat --url http://127.0.0.1:1 Hello",
        "nothing answers at http://127.0.0.1:1",
        "modelsvc up",
        exit=3,
        code="unreachable",
    ),
    _cli("chat --key guess Hello", "not known", "modelsvc keys add", code="wrong_api_key"),
    _cli("chat --key schlüssel Hello", "--key", "modelsvc keys add", code="invalid_request"),
    _cli("health --url http://", "'http://'", code="invalid_request"),
    _cli("keys add a:b", "'a:b'", "1 to 64", code="bad_keys"),
    _cli("keys add ada", "'ada' already", "keys remove ada", code="bad_keys"),
    _cli("keys remove nobody", "no key 'nobody'", "ada", code="bad_keys"),
    _cli("keys --file {folder}/text.gguf list", "line 1", "modelsvc keys add", code="bad_keys"),
    _cli("keys --file {folder}/missing list", "no such file", "modelsvc keys add", code="bad_keys"),
    _cli("keys --file {folder}/open.keys list", "mode 0644", "chmod 600", code="bad_keys"),
    _cli("up --config {folder}/missing.toml", "--config names", "missing.toml", code="no_config_file"),
    _cli("up --config {config}", "a supervisor (pid", "modelsvc ctl", exit=4, code="already_running"),
]
CONFIGURATIONS: list[Row] = [
    Config("[model", ("wrong.toml cannot be read as TOML", "table declaration")),
    Config("[straw]\nx = 1", ("straw: there is no such table",)),
    Config("model = 5", ("model: must be a table of keys, not 5",)),
    Config(
        "[model]\nslots = 0\nkv_cache = 'f8'\nhope = 1\n[deploy]\nbake_s = -1",
        (
            "4 problem(s)",
            "model.slots",
            "not 0",
            "model.kv_cache",
            "'f8'",
            "model.hope: there is no such key",
            "deploy.bake_s",
        ),
    ),
    Config("[model]\nslots = '4'", ("model.slots", "valid integer", "'4'")),
    Config("[model]\ncontext_tokens = 99999999999999999999", ("model.context_tokens",)),
    Config("[model]\ngpu_layers = true", ("model.gpu_layers", '"auto" or a whole number', "True")),
    Config("[memory]\nbudget_gb = nan", ("memory.budget_gb", "nan")),
    Config("[memory]\nbudget_gb = inf", ("memory.budget_gb", "inf")),
    Config("[edge]\nlisten = 'box.lan:80'", ("edge.listen", "ADDRESS:PORT", "'box.lan:80'")),
    Config("[edge]\nlisten = '127.0.0.1:99999'", ("edge.listen", "1 to 65535", "'99999'")),
    Config("[workers]\nblue_port = 8080", ("edge.listen and workers.blue_port", "8080", "give each its own")),
    Config("[workers]\nblue_port = 70000", ("workers.blue_port", "65535", "70000")),
    Config("[deploy]\nready_timeout_s = 0", ("deploy.ready_timeout_s", "greater than 0")),
    Config("[security]\nallowed_hosts = []", ("security.allowed_hosts", "at least 1")),
    Config(
        "[security]\nallowed_hosts = 'localhost'", ("security.allowed_hosts", "must be a list, such as", "'localhost'")
    ),
    Config("[security]\nallowed_origins = ['*']", ("allowed_origins", "set api_keys_file")),
    Config("[security]\nallowed_origins = ['http://a/']", ("security.allowed_origins.1", "'http://a/'")),
    Config("[security]\napi_keys_file = 'missing'", ("security.api_keys_file", "missing", "modelsvc keys add NAME")),
    Config("[security]\napi_keys_file = 'open.keys'", ("security.api_keys_file", "mode 0644", "chmod 600")),
    Config("[security]\napi_keys_file = 'text.gguf'", ("security.api_keys_file", "line 1", "modelsvc keys add NAME")),
    Config("[security]\napi_keys_file = '.'", ("security.api_keys_file", "no file of keys")),
    Config("[hook]\non = ['*']", ("hook: must be tables, each headed [[hook]]",)),
    Config("[[hook]]\ncommand = ['true']", ("hook.1.on: Field required",)),
    Config("[[hook]]\non = []\ncommand = ['true']", ("hook.1.on", "at least 1")),
    Config("[[hook]]\non = ['boom']\ncommand = ['true']", ("hook.1.on.1", '"*" or one of deployment_began', "'boom'")),
    Config("[[hook]]\non = ['*']", ("hook.1.command: Field required",)),
    Config("[[hook]]\non = ['*']\ncommand = []", ("hook.1.command: must be a program and its arguments", "[]")),
    Config("[[hook]]\non = ['*']\ncommand = ['']", ("hook.1.command: must be a program",)),
    Config("[[hook]]\non = ['*']\ncommand = 'true'", ("hook.1.command", "must be a list, such as", "'true'")),
    Config("[[hook]]\non = ['*']\ncommand = ['true']\ntimeout_s = 0", ("hook.1.timeout_s", "greater than 0")),
    Config("[control]\nsocket = 5", ("control.socket", "string", "5")),
]
ROWS: list[Row] = [*MESSAGES, *OPENAI, *REQUESTS, *CONTROL, *COMMANDS, *CONFIGURATIONS]


def _short(text: str) -> str:
    printable = text.encode("unicode_escape").decode()
    return printable if len(printable) <= 60 else f"{printable[:40]}… ({len(text)})"


def table() -> str:
    lines = [f"{row.to:8} {row.sent:100} {row.expected:28} {' · '.join(map(_short, row.words))}" for row in ROWS]
    return "\n".join([f"{'to':8} {'what is sent':100} {'expected':28} words of the message", *lines])


if __name__ == "__main__":
    sys.stdout.write(f"{table()}\n{len(ROWS)} rows\n")
