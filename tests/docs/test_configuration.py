"""The commented file and the reference of the configuration are what the code says."""

import inspect
import tomllib

import pytest
from pydantic import Field
from pydantic.fields import FieldInfo
from tools import config_docs

from supervisor.config import Config
from supervisor.config.sections import Section
from supervisor.config.values import Port, Seconds

KEYS = [
    pytest.param(field, id=f"{name}.{key}")
    for name, section, _ in config_docs.sections()
    for key, field in section.model_fields.items()
]


def test_the_commented_file_is_what_the_code_says() -> None:
    """Whoever changes a key runs `make config-docs`."""
    assert config_docs.FILE.read_text() == config_docs.commented_file()


def test_the_reference_is_what_the_code_says() -> None:
    """The same for docs/configuration.md."""
    assert config_docs.REFERENCE.read_text() == config_docs.reference()


@pytest.mark.parametrize("field", KEYS)
def test_every_key_says_what_it_is(field: FieldInfo) -> None:
    """A description, and words for the values it may have."""
    assert field.description and config_docs.allowed(field)


@pytest.mark.parametrize("name", [f"{key}" for key in Config.model_fields])
def test_a_number_that_counts_something_has_a_unit(name: str) -> None:
    """Ports are the only numbers that count nothing."""
    ((section, _),) = [(section, many) for key, section, many in config_docs.sections() if key == name]
    without = {key for key, field in section.model_fields.items() if _is_number(field) and not config_docs.unit(field)}
    assert without == ({"blue_port", "green_port"} if name == "workers" else set())


def test_every_section_has_words_of_its_own() -> None:
    """They head its table in the file."""
    assert all(inspect.cleandoc(section.__dict__["__doc__"] or "") for _, section, _ in config_docs.sections())


def test_examples_are_configuration_too() -> None:
    """Without their comment signs, tables that may be there several times can be read."""
    text = config_docs.commented_file()
    tables = text[text.index("# [[gate]]") :].splitlines()
    code = [line.removeprefix("# ") for line in tables if line.startswith("# [[") or " = " in line]
    config = Config.model_validate(tomllib.loads("\n".join(code)))
    assert len(config.gate) == len(config.hook) == 1


class Sample(Section):
    """A table."""

    port: Port = Field(1, description="a port")
    wait_s: Seconds = Field(1.0, description="so long")
    share: float = Field(0.5, ge=0, le=1, description="a share")
    odd: dict[str, int] = Field({}, description="x" * config_docs.WIDTH)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("port", "a whole number from 1 to 65,535"),
        ("wait_s", "a number above 0, up to 86,400"),
        ("share", "a number from 0 to 1"),
    ],
)
def test_limits_are_told_in_words(key: str, words: str) -> None:
    """As pydantic checks them."""
    assert config_docs.allowed(Sample.model_fields[key]) == words


def test_a_type_without_words_is_an_error() -> None:
    """The tests above can fail: nothing is left out silently."""
    with pytest.raises(TypeError, match="needs a Form"):
        config_docs.allowed(Sample.model_fields["odd"])


def test_a_description_that_is_too_long_for_its_line_is_an_error() -> None:
    """The commented file stays one line a key."""
    with pytest.raises(ValueError, match="shorten the description: odd"):
        list(config_docs.keys(Sample, config_docs.WIDTH))


def _is_number(field: FieldInfo) -> bool:
    return field.annotation in (int, float)
