"""The file of API keys: `name:sha256-hex` a line, `#` for comments. It holds no key, only what a key is known by.

The supervisor checks it, `modelsvc keys` edits it and workers read it, so it imports nothing of them.
"""

import fcntl
import hashlib
import hmac
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

OWNER_ONLY = 0o600
NAME_RULE = "1 to 64 of A-Z a-z 0-9 . _ @ -"
_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MAX_BYTES = 2**20

Digests = dict[str, str]  # by name


class BadKeys(ValueError):
    """The file cannot be used; the message says what to do about it."""


def make_key() -> str:
    """256 random bits, so that a plain hash of it cannot be turned back."""
    return f"msvc_{secrets.token_urlsafe(32)}"


def digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise BadKeys(f"a key's name must be {NAME_RULE}, not {name!r}")
    return name


def parse(text: str) -> Digests:
    """Raises BadKeys that names the lines, but never shows them: someone may have written a key there."""
    digests: Digests = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, _, known_by = _entry(line).partition(":")
        if not name and not known_by:
            continue
        if not _NAME.fullmatch(name) or not _DIGEST.fullmatch(known_by):
            raise BadKeys(f"line {number} is no NAME:SHA256 of 64 hexadecimal digits: use `modelsvc keys add NAME`")
        if name in digests:
            raise BadKeys(f"line {number} names {name!r} a second time: remove one of them")
        digests[name] = known_by
    return digests


def _entry(line: str) -> str:
    return line.partition("#")[0].strip()


def read(path: Path) -> Digests:
    """The keys in `path`. Raises BadKeys unless it is a file of that form which only its owner may read."""
    try:
        return parse(read_private(path))
    except BadKeys as error:
        raise BadKeys(f"{path}: {error}") from None


def read_private(path: Path) -> str:
    """Raises BadKeys unless `path` is a plain file that is closed to all but its owner."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a named pipe would be waited for
    except FileNotFoundError:
        raise BadKeys("there is no such file: make it with `modelsvc keys add NAME`") from None
    except OSError as error:
        raise BadKeys(f"it cannot be read: {error.strerror}; mend its rights") from None
    try:
        _check(os.fstat(descriptor), path)
        return os.read(descriptor, _MAX_BYTES).decode()
    except UnicodeDecodeError:
        raise BadKeys("it is no text: name a file made with `modelsvc keys add NAME`") from None
    finally:
        os.close(descriptor)


def _check(found: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(found.st_mode) or found.st_size > _MAX_BYTES:
        raise BadKeys("it is no file of keys: name one made with `modelsvc keys add NAME`")
    if found.st_mode & 0o077:
        raise BadKeys(f"others may use it (mode {stat.S_IMODE(found.st_mode):04o}): run `chmod 600 {path}`")


def bearer(authorization: list[str]) -> str | None:
    """What the key in the only Authorization header is known by; None without one."""
    scheme, _, key = authorization[0].partition(" ") if len(authorization) == 1 else ("", "", "")
    return digest(key.strip()) if scheme.lower() == "bearer" else None


def find(presented: str, known: Iterable[tuple[str, str]]) -> str | None:
    """The name that goes with a digest. Every one is compared, in constant time, so that time tells nothing."""
    found = None
    for name, its in known:
        if hmac.compare_digest(its, presented):
            found = name
    return found


class Watched:
    """A file's keys. Looking costs one `stat`; a file that breaks later keeps the last good keys.

    `changed` is told the keys of an edited file, `unusable` why it cannot be used and what stays in force.
    """

    def __init__(
        self,
        path: Path,
        read: Callable[[Path], Digests] = read,
        changed: Callable[[Digests], None] = lambda keys: None,
        unusable: Callable[[BadKeys, Digests], None] = lambda error, kept: None,
    ) -> None:
        """Raises BadKeys when the file cannot be used at first."""
        self._path, self._read, self._changed, self._unusable = path, read, changed, unusable
        self._seen = _stamp(path)
        self._keys = read(path)

    def current(self) -> Digests:
        stamp = _stamp(self._path)
        if stamp != self._seen:
            self._seen = stamp
            self._reread()
        return self._keys

    def _reread(self) -> None:
        try:
            self._keys = self._read(self._path)
            self._changed(self._keys)
        except BadKeys as error:
            self._unusable(error, self._keys)


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Changes whenever content or rights do."""
    try:
        found = os.stat(path)  # noqa: PTH116 - half the price of Path.stat, for each request
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size


def add(path: Path, name: str) -> str:
    """Make a key, write down what it is known by, and return it: it cannot be told again. Raises BadKeys."""
    check_name(name)
    key = make_key()
    with _editing(path) as target:
        text = read_private(target) if target.exists() else "# API keys of modelsvc: see `modelsvc keys --help`.\n"
        if name in parse(text):
            raise BadKeys(f"there is a key {name!r} already: `modelsvc keys remove {name}` first, or take another name")
        publish(target, f"{text.rstrip()}\n{name}:{digest(key)}\n")
    return key


def remove(path: Path, name: str) -> None:
    """Take a key away. Raises BadKeys when there is none of that name."""
    with _editing(path) as target:
        text = read_private(target)
        known = parse(text)
        if name not in known:
            raise BadKeys(f"there is no key {name!r}: there are {', '.join(sorted(known)) or 'none'}")
        kept = [line for line in text.splitlines() if _entry(line).partition(":")[0] != name]
        publish(target, "\n".join(kept) + "\n")


def publish(path: Path, text: str) -> None:
    """Replace `path` as a whole by a file that was never open to others."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(
            os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "w", encoding="utf-8"
        ) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def _editing(path: Path) -> Iterator[Path]:
    """Alone with the file, by a lock on its folder, since the file itself is replaced. Raises BadKeys."""
    target = path.resolve()  # a link is kept, and what it points to replaced
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = os.open(target.parent, os.O_RDONLY)
    except OSError as error:
        raise BadKeys(f"{path} cannot be made: {error.strerror}; name a file in a folder of yours") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield target
    except OSError as error:
        raise BadKeys(f"{path} cannot be written: {error.strerror}; mend the folder's rights") from None
    finally:
        os.close(folder)
