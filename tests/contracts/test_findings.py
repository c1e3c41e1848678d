"""Every kind of finding is raised somewhere, documented, and tells a remedy."""

import ast
import functools
from pathlib import Path

import pytest

from spinekit.curation.doctor.findings import KINDS, SEVERITIES
from spinekit.curation.doctor.specimen import _NOTICES

ROOT = Path(__file__).parents[2]
DOCTOR = ROOT / "src" / "spinekit" / "curation" / "doctor"
PAGE = (ROOT / "docs" / "reference" / "findings.md").read_text(encoding="utf-8")


@functools.cache
def words() -> set[str]:
    """Every text constant in the doctor's code, but for the list of kinds itself."""
    return {
        node.value
        for path in DOCTOR.rglob("*.py")
        if path.name != "findings.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


@pytest.mark.parametrize("code", KINDS)
def test_a_kind_is_raised_documented_and_has_a_remedy(code: str) -> None:
    kind = KINDS[code]

    assert kind.code == code
    assert kind.severity in SEVERITIES
    assert f"| `{code}` | {kind.title} | {kind.remedy} |" in PAGE
    assert code in words()


def test_what_readers_say_leads_to_known_kinds() -> None:
    assert set(_NOTICES.values()) <= set(KINDS)
