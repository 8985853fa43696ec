"""The route's marker files."""

import os
from pathlib import Path

import pytest

from supervisor.core.state import Color
from supervisor.errors import StorageError
from supervisor.nginx.route import read_route, write_route

BLUE, GREEN = Color


@pytest.fixture
def route(tmp_path: Path) -> Path:
    return tmp_path / "route"


def names(route: Path) -> list[str]:
    return sorted(path.name for path in route.iterdir())


def test_one_marker_stands_for_the_route(route: Path) -> None:
    """Whatever it was before, and when nothing changes."""
    assert read_route(route) is None
    for color in (BLUE, BLUE, GREEN, None, None, GREEN, BLUE, None):
        write_route(route, color)
        assert read_route(route) is color
        assert names(route) == [color or "nobody"]


def test_a_switch_makes_no_new_file(route: Path) -> None:
    """The same one is renamed, so that a full disk is no obstacle."""
    write_route(route, None)
    first = (route / "nobody").stat().st_ino
    for color in (BLUE, GREEN, None, BLUE):
        write_route(route, color)
        assert (route / (color or "nobody")).stat().st_ino == first


@pytest.mark.parametrize("color", [BLUE, GREEN, None])
def test_where_somebody_put_both_green_counts_until_the_next_switch(route: Path, color: Color | None) -> None:
    """Which leaves one."""
    write_route(route, BLUE)
    (route / "green").touch()
    assert read_route(route) is GREEN

    write_route(route, color)
    assert (read_route(route), names(route)) == (color, [color or "nobody"])


def test_a_folder_is_no_marker(route: Path) -> None:
    """nginx sees none either."""
    (route / "green").mkdir(parents=True)
    assert read_route(route) is None
    (route / "blue").touch()
    assert read_route(route) is BLUE


def test_what_somebody_deleted_is_made_again(route: Path) -> None:
    """Marker or folder."""
    write_route(route, BLUE)
    (route / "blue").unlink()
    assert read_route(route) is None
    route.rmdir()
    write_route(route, GREEN)
    assert names(route) == ["green"]


def test_a_switch_that_the_system_refuses_says_so(route: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else is thrown; the old route stays."""
    write_route(route, BLUE)

    def refuse(*paths: object) -> None:
        raise OSError(30, os.strerror(30))

    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(StorageError, match=r"to route to green: Read-only file system"):
        write_route(route, GREEN)
    assert read_route(route) is BLUE
