"""Two corrections of one result at once: the second begins where the first has ended."""

import subprocess
import sys
from pathlib import Path

import pytest

from blocks import BlockSpine, oracle_for
from results import listing
from spinekit.apps.cli import main
from spinekit.pipeline import segment
from spinekit.relabelling import correction

TRY = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="knows no such locks")
@pytest.mark.parametrize(
    ("words", "step"), [(["--set", "L2=L3"], "read_result"), (["--undo"], "take_back")]
)
def test_another_process_is_kept_out(
    spine: BlockSpine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    step: str,
) -> None:
    found = segment(spine.image, affine=spine.grid.affine, predictor=oracle_for(spine))
    path = found.save(tmp_path, stem="spine")["dseg"]
    if step == "take_back":
        assert main(["relabel", str(path), "--set", "L2=L2", "--quiet"]) == 0
    tried: list[int] = []
    real = getattr(correction, step)

    def watched(*given: object) -> object:
        lock = tmp_path / ".spine_dseg.json.lock"
        tried.append(
            subprocess.run([sys.executable, "-c", TRY, lock], capture_output=True).returncode
            if lock.exists()
            else 0
        )
        return real(*given)

    monkeypatch.setattr(correction, step, watched)
    main(["relabel", str(path), *words, "--quiet"])

    assert tried == [1]
    assert not [name for name in listing(tmp_path) if name.endswith(".lock")]
