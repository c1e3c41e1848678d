"""What the documentation promises is there, and what is there is documented."""

import ast
import re
from pathlib import Path

import pytest

from contracts.parsers import options_of, parser_of
from spinekit.apps.cli import COMMANDS
from spinekit.apps.data import STEPS

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "spinekit"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
CODED = {
    "InputError",
    "GeometryError",
    "OutputError",
    "ModelError",
    "UsageError",
    "RecipeError",
    "DependencyError",
    "Notice",
    "_refuse",
    "note",
}
"""What is called with a code first."""
IN_NO_CALL = {"unexpected", "labels-changed"}
"""Codes that none is called with: that of a defect, and one with a name of its own."""


def codes() -> set[str]:
    """Codes of every error and notice in the package."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {
        call.args[0].value
        for call in calls
        if ast.unparse(call.func).rpartition(".")[2] in CODED
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }


def test_every_error_and_warning_is_documented_and_no_other() -> None:
    page = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
    cells = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    documented = {code for cell in cells for code in re.findall(r"`([a-z0-9-]+)`", cell)}

    known = codes()
    assert {"other-scan", "axes-fixed", "no-scans", "not-mri"} < known
    assert known ^ documented == IN_NO_CALL


def is_named(option: str, text: str) -> bool:
    """Whether a text has the option, and not only one that begins like it."""
    return re.search(rf"{re.escape(option)}(?![\w-])", text) is not None


@pytest.mark.parametrize(
    "words", [*COMMANDS, *(f"data {step}" for step in STEPS), "labels convert"]
)
def test_every_option_is_documented_where_its_command_is(words: str) -> None:
    page = (ROOT / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
    top, *sections = page.split("\n## `spinekit ")
    own = [text for text in sections if re.match(rf"{words}\b", text)]
    assert own
    if words == "demo":  # which takes those of `segment`, and says so
        own += [text for text in sections if text.startswith("segment")]

    options = options_of(parser_of(*words.split()))

    assert sorted(o for o in options if not is_named(o, "".join([top, *own]))) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]

    assert [target for target in local if not (page.parent / target).exists()] == []


def test_the_readme_maps_every_file_and_folder_of_the_package() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    entries = [
        path
        for path in PACKAGE.iterdir()
        if path.name[0] not in "._" and path.suffix in ("", ".py")
    ]

    assert len(entries) > 10
    missing = [path.name for path in entries if f"`src/spinekit/{path.name}" not in readme]
    assert missing == []


def test_recipes_named_anywhere_exist() -> None:
    """In pages and in what the commands say of themselves."""
    texts = [*PAGES, *PACKAGE.rglob("*.py")]
    named = {
        name
        for path in texts
        for name in re.findall(r"recipes/[\w/-]+\.toml", path.read_text(encoding="utf-8"))
        if "NAME" not in name
    }

    assert {name for name in named if not (ROOT / name).is_file()} == set()
    assert "recipes/data/lumbar9.toml" in named
