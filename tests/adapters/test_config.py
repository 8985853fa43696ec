"""The configuration file: what may be in it, and everything that is wrong with it at once."""

import json
import re
import tomllib
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from modelsvc import keyfile
from supervisor.config import Config, HookSection, ModelSection, load, parse, split_listen, with_settings
from supervisor.core.gate import Check
from supervisor.core.state import Color, Policy
from supervisor.errors import ConfigError, InvalidRequest
from supervisor.protocol import ExitCode
from supervisor.releases.model_file import model_path

ROOT = Path(__file__).resolve().parents[2]


def problems(values: dict[str, Any]) -> list[str]:
    """What is said about wrong values, a line each."""
    with pytest.raises(ConfigError) as caught:
        parse(values, "x.toml")
    head, *lines = caught.value.message.splitlines()
    assert head == f"x.toml has {len(lines)} problem(s):"
    return [line.strip() for line in lines]


def test_the_file_in_the_repository_is_the_defaults() -> None:
    """It is commented for people, and must not lie."""
    assert load(ROOT / "config" / "modelsvc.toml") == Config()


def test_the_file_in_the_repository_names_every_key() -> None:
    """Whoever reads it has seen all there is."""
    written = tomllib.loads((ROOT / "config" / "modelsvc.toml").read_text())
    assert {key: set(section) for key, section in written.items()} == {
        key: set(section) for key, section in Config().model_dump(exclude={"gate", "hook"}).items()
    }


def test_nothing_configured_means_the_defaults(folder: Path) -> None:
    """No file, and an empty one."""
    (folder / "empty.toml").touch()
    assert load(None) == load(folder / "empty.toml") == Config()


def test_every_problem_is_reported_at_once() -> None:
    """Each by its dotted path, with what is allowed and what was found."""
    told = problems(
        {
            "model": {"context_tokens": 3, "slots": True, "gpu_layers": "all", "kv_cache": "f8", "colour": 1},
            "edge": {"listen": "box.lan:80"},
            "workers": {"blue_port": 70000},
            "memory": {"budget_gb": "8"},
            "deploy": 3,
            "security": {"allowed_hosts": [1]},
            "foo": {},
        }
    )

    assert told == [
        "model.context_tokens: Input should be greater than or equal to 128, not 3",
        "model.slots: Input should be a valid integer, not True",
        """model.gpu_layers: must be "auto" or a whole number from 0 to 1000, not 'all'""",
        "model.kv_cache: Input should be 'f16' or 'q8_0', not 'f8'",
        "model.colour: there is no such key",
        "edge.listen: must be ADDRESS:PORT with a numeric address or localhost, such as 127.0.0.1:8080,"
        " not 'box.lan:80'",
        "workers.blue_port: Input should be less than or equal to 65535, not 70000",
        "memory.budget_gb: Input should be a valid number, not '8'",
        "deploy: must be a table of keys, not 3",
        "security.allowed_hosts.1: Input should be a valid string, not 1",
        "foo: there is no such table",
    ]


WRONG = [
    ("model.path", 5),
    ("model.context_tokens", 4096.5),
    ("model.context_tokens", 10**9),
    ("model.slots", 0),
    ("model.threads", -1),
    ("model.gpu_layers", -1),
    ("model.gpu_layers", True),
    ("model.gpu_layers", [1]),
    ("model.queue_limit", "64"),
    ("model.system_prompt", "x" * 20_001),
    ("model.temperature", 2.1),
    ("model.temperature", "hot"),
    ("model.temperature", True),
    ("model.top_k", 0.5),
    ("model.top_k", -1),
    ("model.top_p", 1.1),
    ("model.min_p", float("nan")),
    ("model.repeat_penalty", 0),
    ("edge.listen", 8080),
    ("edge.nginx", ["nginx"]),
    ("edge.hold_timeout_s", 0),
    ("workers.green_port", 0),
    ("workers.green_port", "8001"),
    ("workers.stop_timeout_s", -1),
    ("memory.budget_gb", float("nan")),
    ("memory.budget_gb", float("inf")),
    ("memory.worker_limit_gb", 0),
    ("deploy.ready_timeout_s", 100_000),
    ("deploy.bake_s", -0.1),
    ("deploy.keep_previous", "yes"),
    ("control.socket", 1),
    ("control.metrics_listen", ":9180"),
    ("control.textfile", "/var/lib/node_exporter/modelsvc.txt"),
    ("monitor.prometheus", ""),
    ("monitor.listen", "0.0.0.0:9090"),
    ("monitor.listen", ":9090"),
    ("monitor.retention", "24"),
    ("monitor.retention", "0h"),
    ("monitor.retention", ""),
    ("monitor.retention", "1h1d"),
    ("control.textfile", "/var/lib/node_exporter/modelsvc.txt"),
    ("security.api_keys_file", "/no/such/keys"),
    ("security.allowed_hosts", []),
    ("security.allowed_hosts", "localhost"),
    ("security.allowed_origins", "http://localhost:3000"),
    ("security.allowed_origins", ["localhost"]),
    ("security.allowed_origins", ["http://localhost:3000/"]),
    ("security.allowed_origins", ["http://Localhost:3000"]),
    ("security.allowed_origins", ["https://example.org:443"]),
    ("security.allowed_origins", ['http://a"; }']),
    ("security.allowed_origins", ["null"]),
    ("security.allowed_origins", [f"http://{'a' * 249}"]),
]


@pytest.mark.parametrize(("key", "value"), WRONG, ids=[f"{key}={value}" for key, value in WRONG])
def test_a_wrong_value_is_named_by_its_path(key: str, value: object) -> None:
    """One problem, one line; no value is bent into another type."""
    section, name = key.split(".")
    (line,) = problems({section: {name: value}})

    assert line.startswith(key)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model.gpu_layers", 0),
        ("model.gpu_layers", "auto"),
        ("deploy.bake_s", 0),
        ("deploy.ready_timeout_s", 5),  # a whole number of seconds is written without a point
        ("memory.budget_gb", 16),
        ("edge.listen", "[::1]:8080"),
        ("edge.listen", "0.0.0.0:80"),
        ("model.kv_cache", "q8_0"),
        ("model.temperature", 1),
        ("model.temperature", 0.2),
        ("model.top_k", 20),
        ("model.top_p", 0.8),
        ("monitor.listen", "[::1]:9090"),
        (
            "security.allowed_origins",
            ["http://localhost:3000", "https://[::1]", "moz-extension://0a-1", "http://a:443"],
        ),
        ("monitor.retention", "1d12h"),
    ],
)
def test_what_people_write_is_accepted(key: str, value: object) -> None:
    """As they mean it."""
    section, name = key.split(".")
    assert parse({section: {name: value}}, "x").model_dump()[section][name] == value


def test_all_origins_may_ask_only_with_a_key(folder: Path) -> None:
    """Any web page could read conversations otherwise."""
    security = {"allowed_origins": ["*"]}
    (line,) = problems({"security": security})
    assert line.startswith("security: ") and "api_keys_file" in line
    keyfile.add(folder / "keys", "ada")
    assert parse({"security": {**security, "api_keys_file": "keys"}}, "x", folder).security.allowed_origins == ["*"]


def test_an_origin_that_is_named_twice_counts_once() -> None:
    """nginx would refuse its configuration."""
    named = ["http://localhost:3000", "http://localhost:8000", "http://localhost:3000"]
    assert parse({"security": {"allowed_origins": named}}, "x").security.allowed_origins == named[:2]


def test_ports_must_differ() -> None:
    """Every clash is named by both keys."""
    (line,) = problems({"edge": {"listen": "127.0.0.1:8000"}, "workers": {"green_port": 9180}})

    assert "edge.listen and workers.blue_port use the same port 8000" in line
    assert "workers.green_port and control.metrics_listen use the same port 9180" in line


@pytest.mark.parametrize("listen", ["", "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:x", "host:80"])
def test_a_listen_address_is_numeric_with_a_port(listen: str) -> None:
    """A name would have to be resolved, and could then mean another host."""
    with pytest.raises(ValueError, match="must"):
        split_listen(listen)


@pytest.mark.parametrize("listen", [":80", "*:80"])
def test_a_port_alone_is_told_both_things_it_may_mean(listen: str) -> None:
    """Nobody opens the service to a network by leaving something out."""
    with pytest.raises(ValueError, match=r"127\.0\.0\.1:80 for this machine alone, 0\.0\.0\.0:80 for all"):
        split_listen(listen)


def test_localhost_is_the_loopback_address() -> None:
    """Whatever a hosts file says, and numeric for all who read it."""
    config = parse({"edge": {"listen": "localhost:8080"}, "monitor": {"listen": "localhost:9091"}}, "x")
    assert (config.edge.listen, config.monitor.listen) == ("127.0.0.1:8080", "127.0.0.1:9091")


def test_addresses_of_both_families() -> None:
    """IPv6 in brackets."""
    assert split_listen("127.0.0.1:8080") == ("127.0.0.1", 8080)
    assert split_listen("[::1]:80") == ("::1", 80)


@pytest.mark.parametrize(
    "content", [b"[model", b"x = ", b"[model]\nslots = 1\nslots = 2\n", b'path = "\xff"', b"\x7fELF"]
)
def test_what_is_not_toml_is_an_error_with_its_place(folder: Path, content: bytes) -> None:
    """The file is named."""
    path = folder / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"{path} cannot be read as TOML") as caught:
        load(path)
    assert caught.value.exit_code is ExitCode.MISUSE


def test_a_file_that_cannot_be_read_is_an_error(folder: Path) -> None:
    """Missing, or a folder."""
    for path in (folder / "missing.toml", folder):
        with pytest.raises(ConfigError, match="cannot be read"):
            load(path)


def test_a_deployments_settings_are_checked_like_the_file() -> None:
    """All of them at once; what is not set stays."""
    base = ModelSection(slots=2)
    changed = with_settings(base, {"model.context_tokens": 8192, "model.gpu_layers": 7})
    assert (changed.slots, changed.context_tokens, changed.gpu_layers) == (2, 8192, 7)

    with pytest.raises(InvalidRequest) as caught:
        with_settings(base, {"model.context_tokens": 1, "model.kv_cache": "f8", "model.slots": 1.5})
    for key in ("model.context_tokens", "model.kv_cache", "model.slots"):
        assert key in caught.value.message
    assert caught.value.code == "bad_setting"


def test_what_decisions_need_comes_from_the_file() -> None:
    """Ports, bytes and the limits in seconds."""
    config = parse(
        {
            "workers": {"blue_port": 1, "green_port": 2, "stop_timeout_s": 3, "crash_limit": 2},
            "memory": {"budget_gb": 1.5, "worker_limit_gb": 0.25},
            "deploy": {"ready_timeout_s": 4, "drain_timeout_s": 5, "bake_s": 6, "keep_previous": False},
        },
        "x",
    )

    assert (config.port(Color.BLUE), config.port(Color.GREEN)) == (1, 2)
    assert (config.budget_bytes, config.worker_limit_bytes) == (1_500_000_000, 250_000_000)
    assert config.policy() == Policy(
        4, 5, 6, 3, False, crash_limit=2, worker_limit_bytes=250_000_000, budget_bytes=1_500_000_000
    )


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"models": {}}, "models: there is no such table: did you mean [model]?"),
        ({"hooks": [{}]}, "hooks: there is no such table: did you mean [hook]?"),
        ({"model": {"context_token": 1}}, "model.context_token: there is no such key: did you mean context_tokens?"),
        (
            {"hook": [{"on": ["*"], "command": ["a"], "timeout": 1}]},
            "hook.1.timeout: there is no such key: did you mean",
        ),
        ({"hook": {"on": ["*"]}}, "hook: must be tables, each headed [[hook]]"),
        ({"hook": 5}, "hook: must be tables, each headed [[hook]], not 5"),
        (
            {"hook": [{"on": "worker_crashed", "command": ["a"]}]},
            'hook.1.on: must be a list, such as ["worker_crashed"], n',
        ),
        ({"security": {"allowed_hosts": {}}}, "security.allowed_hosts: must be a list, not {}"),
    ],
)
def test_what_is_wrong_is_said_with_what_is_meant(values: dict[str, Any], told: str) -> None:
    """In the file's own spelling, and counted from 1."""
    (line,) = problems(values)
    assert line.startswith(told)


def test_values_are_never_changed() -> None:
    """Neither by accident nor on purpose; a copy is plain JSON."""
    with pytest.raises(ValueError, match="frozen"):
        Config().model.slots = 1  # type: ignore[misc]
    assert json.loads(json.dumps(Config().model_dump()))["model"]["slots"] == 4


def test_a_file_of_keys_is_found_beside_the_configuration(folder: Path) -> None:
    """And named absolutely, since workers run elsewhere."""
    keyfile.add(folder / "my.keys", "ada")
    config = folder / "modelsvc.toml"
    config.write_text('[security]\napi_keys_file = "my.keys"\n')
    assert load(config).security.api_keys_file == str(folder / "my.keys")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("m.gguf", "{folder}/m.gguf"),
        ("../m.gguf", "{folder}/../m.gguf"),
        ("/m.gguf", "/m.gguf"),
        ("~/m.gguf",) * 2,
        ("", ""),
    ],
)
def test_a_model_is_found_beside_the_configuration(
    folder: Path, monkeypatch: pytest.MonkeyPatch, written: str, meant: str
) -> None:
    """As every other path: from where a command is run says nothing."""
    config = folder / "modelsvc.toml"
    config.write_text(f'[model]\npath = "{written}"\n')
    monkeypatch.chdir("/")
    assert load(config).model.path == meant.format(folder=folder)


def test_programs_are_found_beside_the_configuration(folder: Path) -> None:
    """Those that are named by a path."""
    config = folder / "modelsvc.toml"
    config.write_text('[edge]\nnginx = "bin/nginx"\n[monitor]\nprometheus = "prometheus"\n')
    loaded = load(config)
    assert (loaded.edge.nginx, loaded.monitor.prometheus) == (str(folder / "bin" / "nginx"), "prometheus")


def test_without_a_file_paths_count_from_the_working_directory() -> None:
    """There is no other folder."""
    section = parse({"model": {"path": "m.gguf"}}, "x").model
    assert model_path(section) == Path.cwd() / "m.gguf"


def test_a_hook_names_events_and_a_command(folder: Path) -> None:
    """Its program counts from the file's folder when it is a relative path; a name is looked for in PATH."""
    config = folder / "modelsvc.toml"
    config.write_text(
        '[[hook]]\non = ["worker_crashed", "deployment_ended"]\ncommand = ["./notify", "./arg"]\ntimeout_s = 3\n'
        '[[hook]]\non = ["*"]\ncommand = ["notify"]\n'
    )
    first, second = load(config).hook
    assert (first.on, first.timeout_s) == (["worker_crashed", "deployment_ended"], 3)
    assert first.command == [str(folder / "notify"), "./arg"]
    assert (second.command, second.timeout_s) == (["notify"], 10)


def test_the_hook_in_the_repositorys_file_can_be_used() -> None:
    """The example, without its comment signs."""
    text = (ROOT / "config" / "modelsvc.toml").read_text()
    lines = takewhile(lambda line: line.startswith("# "), text[text.index("# [[hook]]") :].splitlines())
    example = "\n".join(line.removeprefix("# ") for line in lines)
    (hook,) = parse(tomllib.loads(example), "x.toml").hook
    assert (
        hook.on == ["deployment_ended", "worker_crashed"]
        and hook.timeout_s == HookSection.model_fields["timeout_s"].default
    )


@pytest.mark.parametrize(
    ("hook", "problem"),
    [
        ({"on": ["boom"], "command": ["true"]}, 'hook.1.on.1: must be "*" or one of deployment_began, step_changed, '),
        ({"on": ["events_missed"], "command": ["true"]}, "hook.1.on.1: must be"),
        ({"on": ["*"], "command": ["a\0b"]}, "hook.1.command: must be a program and its arguments"),
        ({"on": ["*"], "command": ["true"], "timeout_s": 4000}, "hook.1.timeout_s: Input should be less than or equal"),
        ({"on": ["*"], "command": ["true"], "shell": True}, "hook.1.shell: there is no such key"),
    ],
)
def test_a_wrong_hook_is_an_error_with_its_place(hook: Any, problem: str) -> None:
    """And with what is allowed."""
    with pytest.raises(ConfigError, match=re.escape(problem)):
        parse({"hook": [hook]}, "x.toml")


def test_a_gate_is_a_table_each() -> None:
    """What a check does not name, it does not ask for."""
    config = parse({"gate": [{"prompt": "A?"}, {"prompt": "B?", "pattern": "^b", "max_tokens": 5}]}, "x.toml")
    assert config.gate_checks() == (Check("A?"), Check("B?", pattern="^b", max_tokens=5))


@pytest.mark.parametrize(
    ("gate", "problem"),
    [
        ([{"prompt": "A?", "pattern": "("}], "gate.1.pattern: must be a regular expression, but '(' is none"),
        ([{"prompt": "A?"}, {"expect": "x"}], "gate.2.prompt: Field required"),
        ([{"prompt": ""}], "gate.1.prompt"),
        ([{"prompt": "A?", "expects": "x"}], "gate.1.expects: there is no such key"),
        ({"prompt": "A?"}, "gate: must be tables, each headed [[gate]]"),
    ],
)
def test_a_wrong_gate_is_an_error_with_its_place(gate: Any, problem: str) -> None:
    """Found when the configuration is read, not by a deployment."""
    with pytest.raises(ConfigError, match=re.escape(problem)):
        parse({"gate": gate}, "x.toml")
