"""docs/doctor.md, codes.py and the checks name the same findings."""

import re
from pathlib import Path

from modelsvc.doctor.findings import LEVELS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/doctor.md").read_text()
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| (.+) \| (.*)\|$", re.MULTILINE)
# Codes that the supervisor's own refusals bring.
REFUSALS = {"model_not_gguf", "model_truncated"}


def test_the_page_has_every_finding_with_its_level() -> None:
    assert {code: level for code, level, _, _ in ROW.findall(PAGE)} == {
        code: str(level) for code, level in LEVELS.items()
    }


def test_whatever_is_not_well_has_a_mend() -> None:
    """And nothing else has one, here as in the output."""
    for code, level, says, mend in ROW.findall(PAGE):
        assert says.strip() and bool(mend.strip()) == (level != "ok"), code


def test_every_code_is_told_by_a_check() -> None:
    """None is left of a check that went."""
    source = "".join(path.read_text() for path in (ROOT / "src/modelsvc/doctor").glob("*.py") if path.stem != "codes")
    assert [code for code in LEVELS if f'"{code}"' not in source and code not in REFUSALS] == []
