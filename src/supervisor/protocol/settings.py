"""Settings that a deployment may change: one validator at both ends."""

# The `[model]` keys that `ctl deploy --set` may change; the daemon validates the values.
SETTABLE_KEYS = (
    "model.path",
    "model.context_tokens",
    "model.slots",
    "model.threads",
    "model.gpu_layers",
    "model.kv_cache",
    "model.queue_limit",
    "model.system_prompt",
    "model.temperature",
    "model.top_k",
    "model.top_p",
    "model.min_p",
    "model.repeat_penalty",
)

SettingValue = str | int | float | bool


class ProtocolError(ValueError):
    """A request that cannot be meant; the message says what to write instead."""


def parse_assignment(text: str) -> tuple[str, SettingValue]:
    """Read `--set` text such as `model.context_tokens=8192` into its dotted key and its value.

    The value is read as TOML (8192, true, "q8_0"); what is no TOML value counts as a bare string.
    Raises ProtocolError when there is no `=` or the key is not one of SETTABLE_KEYS.
    """
    import tomllib  # costs `ctl status` 15 ms, and only `--set` needs it

    key, equals, raw = (part.strip() for part in text.partition("="))
    if not equals or not raw:
        raise ProtocolError(f"{text!r} is not a setting: write KEY=VALUE, such as model.context_tokens=8192")
    check_settable(key)
    try:
        value = tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        return key, raw
    if not isinstance(value, str | int | float | bool):
        raise ProtocolError(f"{key}: {raw} is not a single value")
    return key, value


def check_settable(key: str) -> None:
    """Raise ProtocolError unless a deployment may change `key`."""
    if key not in SETTABLE_KEYS:
        raise ProtocolError(f"{key!r} cannot be set by a deployment; these can: {', '.join(SETTABLE_KEYS)}")
