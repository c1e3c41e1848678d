"""What a report says of the voxels written, in the layouts with names of their own."""

from pathlib import Path

import pytest

from layouts.conftest import run
from results import bytes_of, listing, read_json
from spinekit.apps.cli import main
from spinekit.io.reading import read_label_file, read_labels
from spinekit.io.voxels import hash_voxels
from spinekit.io.writing import write_labels
from spinekit.relabelling.correction import relabel, undo
from spinekit.relabelling.words import Word

pytestmark = pytest.mark.usefixtures("small_oracle")
STEM = "sub-01/anat/sub-01_space-orig"
END = "desc-T2w_dseg"


@pytest.mark.parametrize(
    ("layout", "report", "seg", "derived"),
    [
        (
            "totalspineseg",
            ".spinekit/sub-01_T2w.json",
            "step2_output/sub-01_T2w.nii.gz",
            "step1_output/sub-01_T2w.nii.gz",
        ),
        (
            "bids",
            f"{STEM}_seg-spine_{END}.json",
            f"{STEM}_seg-spine_{END}.nii.gz",
            f"{STEM}_seg-levels_{END}.nii.gz",
        ),
    ],
)
def test_every_label_map_is_known_again_and_known_to_be_changed(
    store,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    layout: str,
    report: str,
    seg: str,
    derived: str,
) -> None:
    store(tmp_path / "raw" / "sub-01" / "anat" / "sub-01_T2w.nii.gz")
    out = tmp_path / "out"
    run(tmp_path / "raw", out, "--layout", layout, "--levels")
    known = set(read_json(out / report)["voxels_sha256"].values())
    written = {
        name: hash_voxels(read_labels(out / name).array)
        for name in listing(out)
        if name.endswith(".nii.gz") and not name.startswith(("input", "step1_c"))
    }
    assert set(written.values()) == known
    assert {seg, derived} <= set(written)

    volume, header = read_label_file(out / derived)
    write_labels(out / derived, volume.array[:, ::-1], header)
    before = bytes_of(out)

    assert main(["relabel", str(out / seg), "--set", "L5=L6"]) == 1
    assert f"{Path(derived).name}: was changed since" in capsys.readouterr().err
    assert bytes_of(out) == before


@pytest.mark.parametrize(
    ("layout", "report", "seg"),
    [
        ("spinekit", "sub-01_T2w_dseg.json", "sub-01_T2w_dseg.nii.gz"),
        ("totalspineseg", ".spinekit/sub-01_T2w.json", "step2_output/sub-01_T2w.nii.gz"),
        ("bids", f"{STEM}_seg-spine_{END}.json", f"{STEM}_seg-spine_{END}.nii.gz"),
    ],
)
def test_a_correction_gives_back_the_report_as_it_lies_there(
    store, tmp_path: Path, layout: str, report: str, seg: str
) -> None:
    scan, out = store(tmp_path / "raw" / "sub-01" / "anat" / "sub-01_T2w.nii.gz"), tmp_path / "out"
    run(scan, out, "--layout", layout)

    assert relabel(out / seg, [Word("L5", "L6")]).report == read_json(out / report)
    assert undo(out / seg).report == read_json(out / report)
