"""What files in the store may be called. Pure."""

from supervisor.errors import InvalidRequest

SUFFIX = ".gguf"
ORIGIN = "origin.json"  # where a model came from, beside it
LONGEST_BYTES = 200  # file systems allow 255


def file_name(text: str) -> str:
    """`text` as the name of a file in the store, with its suffix. Raises InvalidRequest when it cannot be one."""
    name = text if text.lower().endswith(SUFFIX) else f"{text}{SUFFIX}"
    if problem := _problem(text, name):
        raise InvalidRequest(
            f"{text!r} cannot be the name of a model: it {problem}; give another with --name", code="bad_name"
        )
    return name


def is_model(name: str) -> bool:
    """Whether a file of that name can be a model of the store; hidden ones are the system's own."""
    return name.lower().endswith(SUFFIX) and not name.startswith(".")


def is_of_system(name: str) -> bool:
    """Whether a file manager wrote a file of that name, of whatever it shows."""
    return name == ".DS_Store" or name.startswith("._")


def bare(name: str) -> str:
    """Without the suffix, as people say it."""
    return name[: -len(SUFFIX)] if name.lower().endswith(SUFFIX) else name


def _problem(text: str, name: str) -> str:
    if not bare(text).strip():
        return "is empty"
    if "/" in text:
        return "has a slash"
    if text[0] in ".-":
        return f"begins with {text[0]!r}"
    if not text.isprintable():
        return "has a character that cannot be shown"
    if len(name.encode()) > LONGEST_BYTES:
        return f"has more than {LONGEST_BYTES} bytes"
    return ""
