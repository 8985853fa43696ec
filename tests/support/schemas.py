"""What the published schema of a kind of file says of one; check-jsonschema has them with it, and asks no network."""

import subprocess
import sys
from pathlib import Path


def complaints(schema: str, *files: Path) -> str:
    """Of `vendor.<schema>`; empty when all are valid."""
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        f"vendor.{schema}",
        "--verbose",
        *map(str, files),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout if done.returncode else ""
