"""The house rules that no linter knows."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "spinekit"
MODULES = sorted(PACKAGE.rglob("*.py"))
ROOT = Path(__file__).parents[2]
LONGEST_FILE = 400
LONGEST_FUNCTION = 60
UNWANTED = {"utils", "helpers", "common", "misc", "base"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_is_short_and_says_what_it_does_not_know(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    functions = [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]

    assert path.stem not in UNWANTED
    assert len(text.splitlines()) <= LONGEST_FILE
    long = {
        node.name: node.end_lineno - node.lineno + 1 - len(doc_lines(node))
        for node in functions
        if node.end_lineno - node.lineno + 1 - len(doc_lines(node)) > LONGEST_FUNCTION
    }
    assert long == {}
    if path.name != "__init__.py":
        paragraphs = (ast.get_docstring(tree) or "").split("\n\n")
        assert len(paragraphs) >= 2


@pytest.mark.parametrize("folder", ["tests", "benchmarks"])
def test_files_beside_the_package_are_short_too(folder: str) -> None:
    files = (ROOT / folder).rglob("*.py")
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in files}

    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


def doc_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Lines of a function's docstring, which may be as long as it must."""
    return (ast.get_docstring(node, clean=False) or "").splitlines()
