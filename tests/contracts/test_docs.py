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
}


def codes() -> set[str]:
    """First arguments of every error and notice in the package."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in CODED and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    found.add(first.value)
    return found


def test_every_error_and_warning_is_documented() -> None:
    page = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")

    assert len(codes()) > 30
    assert sorted(code for code in codes() if f"`{code}`" not in page) == []


def is_named(option: str, text: str) -> bool:
    """Whether a text has the option, and not only one that begins like it."""
    return re.search(rf"{re.escape(option)}(?![\w-])", text) is not None


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_documented(command: str) -> None:
    page = (ROOT / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
    options = options_of(parser_of(command))

    assert sorted(option for option in options if not is_named(option, page)) == []
    assert f"`spinekit {command}" in page


@pytest.mark.parametrize("step", STEPS)
def test_every_option_of_a_data_step_is_documented(step: str) -> None:
    page = (ROOT / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
    section = page.partition(f"## `spinekit data {step}")[2].partition("\n## ")[0]

    assert section
    options = options_of(parser_of("data", step)) - {"--help", "--debug"}
    assert sorted(option for option in options if not is_named(option, section)) == []


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
