"""What a SOURCE and a name may be."""

from pathlib import Path

import pytest

from modelsvc.store import addresses
from modelsvc.store.names import bare, file_name
from modelsvc.store.source import ALIASES, HubFile, LocalFile, Source, WebFile, name_for, parse
from supervisor.errors import InvalidRequest, Refused

HERE = Path.cwd


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("hf://owner/repo/m.gguf", HubFile("owner/repo", "m.gguf")),
        ("hf://owner/repo/m.gguf@v1", HubFile("owner/repo", "m.gguf", "v1")),
        ("hf://owner/repo/m.gguf@refs/pr/1", HubFile("owner/repo", "m.gguf", "refs/pr/1")),
        ("hf://owner/repo@v1/sub/m.gguf", HubFile("owner/repo", "sub/m.gguf", "v1")),
        ("https://example.org/a/m.gguf?x=1", WebFile("https://example.org/a/m.gguf?x=1")),
        ("HTTPS://example.org/m.gguf", WebFile("HTTPS://example.org/m.gguf")),
        ("/a/m.gguf", LocalFile(Path("/a/m.gguf"))),
        ("file:/a/m.gguf", LocalFile(Path("/a/m.gguf"))),
        ("file:///a/b%20c.gguf", LocalFile(Path("/a/b c.gguf"))),
        ("file://localhost/a/m.gguf", LocalFile(Path("/a/m.gguf"))),
    ],
)
def test_sources_are_read_as_they_are_written(text: str, source: Source) -> None:
    """A revision may stand after the file, or after the repository, as Hugging Face itself writes it."""
    assert parse(text) == source


def test_relative_paths_count_from_the_working_folder() -> None:
    assert parse("m.gguf") == parse("./m.gguf") == parse("file:m.gguf") == LocalFile(HERE() / "m.gguf")


def test_an_alias_is_a_source_of_its_own() -> None:
    assert parse("smollm2") == parse(ALIASES["smollm2"])
    assert name_for(parse("smollm2"), None) == "smollm2-1.7b-instruct-q4_k_m.gguf"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("hf://owner/m.gguf", "does not name a file of a repository"),
        ("hf://owner/repo/", "does not name a file"),
        ("hf://owner/repo@v1/m.gguf@v2", "does not name a file"),
        ("hf://owner/repo/../m.gguf", "does not name a file"),
        ("hf:owner/repo/m.gguf", "does not name a file"),
        ("https://", "is no address of a file"),
        ("https://exa mple.org/m.gguf", "is no address of a file"),
        ("https://example.org:99999/m.gguf", "is no address of a file"),
        ("https://[::1/m.gguf", "is no address of a file"),
        (f"https://{'a' * 70}.org/m.gguf", "is no address of a file"),
        ("https://a..b/m.gguf", "is no address of a file"),
        ("ftp://example.org/m.gguf", "is of a kind that is not known"),
        ("s3://bucket/m.gguf", "is of a kind that is not known"),
        ("file://elsewhere/m.gguf", "is on another machine, 'elsewhere'"),
    ],
)
def test_what_is_no_source_is_misuse(text: str, why: str) -> None:
    """The message has the value, and the forms that there are."""
    with pytest.raises(InvalidRequest, match=r"hf://owner/repo/file\.gguf\[@revision\]") as caught:
        parse(text)
    assert repr(text) in caught.value.message and why in caught.value.message
    assert caught.value.code == "bad_source"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("https://example.org/a/m.gguf?download=true#x", "m.gguf"),
        ("https://example.org/my%20m%C3%B6del.gguf", "my mödel.gguf"),
        ("https://example.org/download", "download.gguf"),
        ("https://example.org/x/..%2f..%2fetc%2fpasswd", "passwd.gguf"),
        ("hf://owner/repo/sub/M.GGUF", "M.GGUF"),
    ],
)
def test_a_name_is_taken_from_the_source(source: str, name: str) -> None:
    """Of an address the last part, whatever was escaped in it."""
    assert name_for(parse(source), None) == name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "is empty"),
        (" ", "is empty"),
        (".gguf", "is empty"),
        ("../m", "has a slash"),
        ("/etc/passwd", "has a slash"),
        ("..", "begins with '.'"),
        (".hidden", "begins with '.'"),
        ("-f", "begins with '-'"),
        ("a\nb", "has a character that cannot be shown"),
        ("a\x1b[2Jb", "has a character that cannot be shown"),
        ("ö" * 100, "has more than 200 bytes"),
    ],
)
def test_names_that_lead_elsewhere_or_astray_are_refused(name: str, why: str) -> None:
    """The store's files lie in their folders, and a listing shows what is there."""
    with pytest.raises(InvalidRequest, match="give another with --name") as caught:
        file_name(name)
    assert why in caught.value.message and caught.value.code == "bad_name"


@pytest.mark.parametrize("source", ["https://example.org/", "https://example.org/%2e%2e"])
def test_an_address_without_a_usable_name_asks_for_one(source: str) -> None:
    with pytest.raises(InvalidRequest, match="--name"):
        name_for(parse(source), None)
    assert name_for(parse(source), "mine") == "mine.gguf"


def test_a_name_is_said_without_its_suffix() -> None:
    assert [bare(name) for name in ("m.gguf", "M.GGUF", "m")] == ["m", "M", "m"]


def test_the_home_of_nobody_is_no_path() -> None:
    with pytest.raises(InvalidRequest, match=r"'~no-such-user/m\.gguf' cannot be a path"):
        parse("~no-such-user/m.gguf")


def test_secrets_of_an_address_are_not_shown() -> None:
    """But two addresses that differ in them are two sources."""
    one, two = parse("https://ada:pw@example.org:8443/m.gguf?sig=1"), parse("https://example.org:8443/m.gguf?sig=2")
    assert one.shown == two.shown == "https://example.org:8443/m.gguf"
    assert one.key != two.key


@pytest.mark.parametrize(
    ("first", "url", "pinned"),
    [
        ("https://a/m", "https://a/m", False),
        ("https://a/m", "https://b/m", False),
        ("http://127.0.0.1/m", "http://127.0.0.1/m", False),
        ("http://localhost/m", "http://[::1]:80/m", False),
        ("http://127.0.0.1/m", "https://a/m", False),
        ("http://a/m", "http://b/m", True),
    ],
)
def test_where_nobody_between_can_change_the_file_it_may_come_from(first: str, url: str, pinned: bool) -> None:
    """https, this machine, or a sum that tells."""
    addresses.check(first, url, pinned)


@pytest.mark.parametrize(
    ("first", "url", "pinned", "code"),
    [
        ("https://a/m", "http://a/m", False, "unsafe_redirect"),
        ("https://a/m", "http://127.0.0.1/m", True, "unsafe_redirect"),
        ("https://a/m", "ftp://a/m", True, "unsafe_redirect"),
        ("HTTPS://a/m", "http://127.0.0.1/m", True, "unsafe_redirect"),
        ("http://a/m", "http://a/m", False, "unsafe_source"),
        ("http://127.0.0.1/m", "http://a/m", False, "unsafe_source"),
        ("http://127.0.0.1/m", "file:///etc/passwd", True, "unsafe_source"),
        ("http://127.0.0.1.example.org/m", "http://127.0.0.1.example.org/m", False, "unsafe_source"),
    ],
)
def test_elsewhere_it_is_refused(first: str, url: str, pinned: bool, code: str) -> None:
    """What began with https never goes on without: its answers may carry what is secret."""
    with pytest.raises(Refused) as caught:
        addresses.check(first, url, pinned)
    assert caught.value.code == code
