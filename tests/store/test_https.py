"""Pulls by https, from a server whose certificate is trusted, and from one whose is not."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.store.conftest import MODEL, begin, left
from tests.support import file_server as fs
from tests.support.file_server import FileServer, serving_file

from modelsvc.store import Store


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key, and a certificate that it signed itself, in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl here to make a certificate with")
    folder = tmp_path_factory.mktemp("certificate")
    key, certificate, both = (folder / name for name in ("key.pem", "certificate.pem", "both.pem"))
    made = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1")
    named = ("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate))
    subprocess.run([*made, *named], check=True, capture_output=True)
    both.write_text(key.read_text() + certificate.read_text())
    return both


@pytest.fixture
def secure(certificate: Path) -> Iterator[FileServer]:
    with serving_file(MODEL, certificate) as server:
        yield server


def pull(url: str, *arguments: object, **environment: str) -> tuple[int, str]:
    process = begin("pull", url, "--tries", 1, *arguments, **environment)
    _, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    return process.returncode, err


def test_a_trusted_server_is_pulled_from(secure: FileServer, store: Store, certificate: Path) -> None:
    assert pull(secure.url(), SSL_CERT_FILE=str(certificate)) == (0, "")
    assert store.find("model").path.read_bytes() == MODEL


def test_a_redirect_from_https_to_http_is_refused(
    secure: FileServer, server: FileServer, store: Store, certificate: Path
) -> None:
    """Even to this machine, and with a sum: what an address carries may be secret. The other server is not asked."""
    secure.usual = fs.redirecting(server.url())
    code, err = pull(secure.url(), "--sha256", "a" * 64, SSL_CERT_FILE=str(certificate))
    assert code == 4 and f"redirects to {server.url()}, which is not https" in err
    assert server.asked == [] and left(store) == []


def test_a_server_that_nobody_vouches_for_is_not_trusted(secure: FileServer, store: Store) -> None:
    """Told as what it is, at once: it would be the same again."""
    code, err = pull(secure.url())
    assert code == 4 and "nobody vouches for the server (self" in err and "SSL_CERT_FILE" in err
    assert err.count("\n") == 1
    assert secure.asked == [] and left(store) == []
