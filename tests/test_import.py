import subprocess
import sys

import pytest

HEAVY = ("torch", "onnxruntime", "matplotlib", "SimpleITK", "scipy", "nibabel", "numpy")


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.parametrize(
    "statement",
    [
        "import spinekit",
        "from spinekit.apps.cli import COMMANDS, build_parser; [build_parser(c) for c in COMMANDS]",
    ],
)
def test_importing_and_the_help_of_every_command_bring_in_nothing_heavy(statement: str) -> None:
    loaded = run(f"{statement}\nimport sys\nprint(*sys.modules)").split()

    assert "spinekit" in loaded
    assert [name for name in HEAVY if name in loaded] == []


def test_importing_takes_less_than_half_a_second() -> None:
    seconds = run(
        "import time; start = time.process_time(); import spinekit\n"
        "print(time.process_time() - start)"
    )

    assert float(seconds) < 0.5


def test_segmenting_never_loads_torch() -> None:
    loaded = run("import spinekit\nspinekit.segment\nimport sys\nprint(*sys.modules)").split()

    assert "spinekit.pipeline" in loaded
    assert [name for name in ("torch", "matplotlib") if name in loaded] == []


def test_public_names_can_be_had_and_others_cannot() -> None:
    import spinekit

    names = set(spinekit.__all__) - {"__version__"}
    assert {getattr(spinekit, name).__name__ for name in names} == names
    with pytest.raises(AttributeError, match="no attribute 'segmnt'"):
        spinekit.segmnt  # noqa: B018
