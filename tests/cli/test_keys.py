"""`modelsvc keys`, and the file it keeps."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.cli.conftest import Run

from modelsvc import keyfile
from modelsvc.keyfile import BadKeys
from supervisor.protocol import ExitCode
from supervisor.workers.probe_key import own_key

HASH = "0" * 64


def test_a_key_is_told_once_and_its_hash_kept(run: Run, tmp_path: Path) -> None:
    """In a file that only the owner may read."""
    file = tmp_path / "new" / "keys"
    key = run("keys", "--file", str(file), "add", "phone").stdout.strip()
    assert key.startswith("msvc_") and len(key) > 40
    assert key not in file.read_text()
    assert keyfile.read(file) == {"phone": keyfile.digest(key)}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    listed = run("keys", "--file", str(file), "list")
    assert (listed.stdout, listed.exit_code) == ("phone\n", 0)


def test_every_key_is_another(run: Run, tmp_path: Path) -> None:
    """Also one of the same name, made again."""
    file = str(tmp_path / "keys")
    keys = set()
    for _ in range(3):
        keys.add(json.loads(run("keys", "--file", file, "add", "phone", "--json").stdout)["key"])
        assert json.loads(run("keys", "--file", file, "remove", "phone", "--json").stdout)["removed"] == "phone"
    assert len(keys) == 3
    assert "nobody may ask" in run("keys", "--file", file, "list").stdout


def test_the_configuration_names_the_file(run: Run, tmp_path: Path) -> None:
    """Relative to itself."""
    config = tmp_path / "modelsvc.toml"
    config.write_text('[security]\napi_keys_file = "my.keys"\n')
    assert run("keys", "--config", str(config), "add", "phone").exit_code == 0
    assert "phone" in keyfile.read(tmp_path / "my.keys")


def test_without_a_file_it_says_where_to_name_one(run: Run, tmp_path: Path) -> None:
    """Nothing is made up."""
    config = tmp_path / "modelsvc.toml"
    config.write_text("")
    result = run("keys", "--config", str(config), "add", "phone")
    assert result.exit_code == ExitCode.MISUSE
    assert f"set security.api_keys_file in {config}, or give --file" in result.stderr


def test_comments_and_other_keys_stay(tmp_path: Path) -> None:
    """The file is the operator's."""
    file = tmp_path / "keys"
    keyfile.publish(file, f"# mine\n\nold:{HASH}  # the old phone\n")
    keyfile.add(file, "new")
    keyfile.remove(file, "new")
    assert file.read_text() == f"# mine\n\nold:{HASH}  # the old phone\n"
    assert keyfile.read(file) == {"old": HASH}


def test_keys_made_at_the_same_time_are_all_there(tmp_path: Path) -> None:
    """Whoever edits is alone with the file."""
    file = tmp_path / "keys"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: keyfile.add(file, f"k{number}"), range(24)))
    assert len(keyfile.read(file)) == 24
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]


def test_a_link_is_kept(tmp_path: Path) -> None:
    """What it points to is replaced."""
    link, file = tmp_path / "link", tmp_path / "keys"
    keyfile.add(file, "a")
    link.symlink_to(file)
    keyfile.add(link, "b")
    assert link.is_symlink()
    assert set(keyfile.read(file)) == {"a", "b"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("ada", "line 1"),
        ("\nada:secret", "line 2"),
        (f"ada:{HASH[:-1]}", "line 1"),
        (f"ada:{'G' * 64}", "line 1"),
        (f"a b:{HASH}", "line 1"),
        (f":{HASH}", "line 1"),
        (f"ada:{HASH}\nada:{HASH}", "a second time"),
    ],
)
def test_what_is_no_line_of_the_file(text: str, complaint: str) -> None:
    """It is named, and not shown: it may be a key."""
    with pytest.raises(BadKeys, match=complaint) as caught:
        keyfile.parse(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o601])
def test_a_file_that_is_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    """With what to do."""
    file = tmp_path / "keys"
    keyfile.add(file, "ada")
    file.chmod(mode)
    for use in (lambda: keyfile.read(file), lambda: keyfile.add(file, "bob"), lambda: keyfile.remove(file, "ada")):
        with pytest.raises(BadKeys, match=f"mode {mode:04o}.*chmod 600 {file}"):
            use()


def test_the_supervisors_own_key_outlives_it(tmp_path: Path) -> None:
    """But not being read by others."""
    path = tmp_path / "probe.key"
    key = own_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert own_key(path) == key
    path.chmod(0o644)
    assert own_key(path) != key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("")
    assert own_key(path)
