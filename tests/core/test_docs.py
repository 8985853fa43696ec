"""The design's picture of a slot's life is the table's."""

from pathlib import Path

from supervisor.core.lifecycle import mermaid

DESIGN = Path(__file__).parents[2] / "docs" / "design.md"


def test_the_documented_lifecycle_is_the_table() -> None:
    """Whoever changes the table changes the picture."""
    assert f"```mermaid\n{mermaid()}\n```" in DESIGN.read_text()
