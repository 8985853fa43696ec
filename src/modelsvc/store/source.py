"""Where a model comes from, as it is written on the command line. Pure, but for asking where the working folder is."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from modelsvc.store.addresses import public
from modelsvc.store.names import file_name
from supervisor.errors import InvalidRequest

ALIASES = {"smollm2": "hf://HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF/smollm2-1.7b-instruct-q4_k_m.gguf"}
FORMS = "hf://owner/repo/file.gguf[@revision], https://…, file:PATH or a path"
_HUB = re.compile(r"(?P<repo>[^/@]+/[^/@]+)(@(?P<early>[^/]+))?/(?P<file>[^@]+)(@(?P<late>.+))?")
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*(?=:)")


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository on Hugging Face, or of what $HF_ENDPOINT names instead."""

    repo: str
    file: str
    revision: str | None = None

    @property
    def shown(self) -> str:
        return f"hf://{self.repo}/{self.file}{f'@{self.revision}' if self.revision else ''}"

    @property
    def key(self) -> str:
        return _key(self.shown)

    @property
    def named(self) -> str:
        return PurePosixPath(self.file).name


@dataclass(frozen=True, slots=True)
class WebFile:
    """A file of a web server."""

    url: str

    @property
    def shown(self) -> str:
        """Without what may be secret."""
        return public(self.url)

    @property
    def key(self) -> str:
        return _key(self.url)

    @property
    def named(self) -> str:
        return unquote(urlsplit(self.url).path).rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of this machine; `path` is absolute."""

    path: Path

    @property
    def shown(self) -> str:
        return str(self.path)

    @property
    def key(self) -> str:
        return _key(f"file:{self.path}")

    @property
    def named(self) -> str:
        return self.path.name


Source = HubFile | WebFile | LocalFile


def parse(text: str) -> Source:
    """A SOURCE. Raises InvalidRequest with the forms that there are."""
    text = ALIASES.get(text, text)
    scheme = _SCHEME.match(text)
    match scheme.group().lower() if scheme else "":
        case "hf":
            return _hub_file(text)
        case "http" | "https":
            return _web_file(text)
        case "file":
            return _file_url(text)
        case "":
            return LocalFile(local_path(text))
        case _:
            raise _refused(text, "is of a kind that is not known")


def name_for(source: Source, wanted: str | None) -> str:
    """What the file will be called in the store. Raises InvalidRequest."""
    return file_name(source.named if wanted is None else wanted)


def alias_name(text: str) -> str | None:
    """The file that an alias stands for; None when it is no alias."""
    return PurePosixPath(ALIASES[text]).name if text in ALIASES else None


def local_path(text: str) -> Path:
    """Absolute. Raises InvalidRequest for the home of a user that there is not."""
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise InvalidRequest(f"{text!r} cannot be a path: {error}", code="no_model_file") from error


def _hub_file(text: str) -> HubFile:
    found = _HUB.fullmatch(text.partition("://")[2])
    if not found or (found["early"] and found["late"]) or ".." in PurePosixPath(found["file"]).parts:
        raise _refused(text, "does not name a file of a repository")
    return HubFile(found["repo"], found["file"], found["early"] or found["late"])


def _web_file(text: str) -> WebFile:
    try:
        parts = urlsplit(text)
        usable = bool(parts.hostname) and parts.port != 0 and text.isprintable() and " " not in text
        (parts.hostname or "").encode("idna")  # as the system looks it up
    except ValueError:
        usable = False
    if not usable:
        raise _refused(text, "is no address of a file")
    return WebFile(text)


def _file_url(text: str) -> LocalFile:
    parts = urlsplit(text)
    if parts.netloc not in ("", "localhost"):
        raise _refused(text, f"is on another machine, {parts.netloc!r}")
    return LocalFile(local_path(unquote(parts.path)))


def _refused(text: str, why: str) -> InvalidRequest:
    return InvalidRequest(f"{text!r} {why}: a source is {FORMS}, or one of {', '.join(ALIASES)}", code="bad_source")


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
