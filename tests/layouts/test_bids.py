"""BIDS derivatives: names, sidecars, tables, and refusal of what is no BIDS."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from blocks import BlockSpine
from layouts.conftest import listing, read_json, run, voxels
from spinekit.apps.cli import main
from spinekit.core.errors import UsageError
from spinekit.layouts.bids import read_name

pytestmark = pytest.mark.usefixtures("small_oracle")
SCAN = "sub-01/ses-a/anat/sub-01_ses-a_acq-sag_T2w.nii.gz"
START = "sub-01/ses-a/anat/sub-01_ses-a_acq-sag_space-orig"
FIGURE = "sub-01/ses-a/figures/sub-01_ses-a_acq-sag_desc-T2w_dseg.png"


@pytest.fixture
def dataset(store, tmp_path: Path) -> Path:
    """One subject's scan, and what lies about in a dataset."""
    root = tmp_path / "raw"
    store(root / SCAN)
    (root / "dataset_description.json").write_text(
        '{"Name": "Necks", "BIDSVersion": "1.8.0", "DatasetDOI": "doi:10.1/2"}'
    )
    store(root / "derivatives" / "other" / "sub-01" / "anat" / "sub-01_desc-x_mask.nii.gz")
    store(root / "sub-01" / "ses-a" / "dwi" / "sub-01_ses-a_dwi.nii.gz")
    return root


def test_results_are_named_and_described_as_bids_asks(
    small: BlockSpine, dataset: Path, tmp_path: Path
) -> None:
    out = dataset / "derivatives" / "spinekit"

    assert run(dataset, out, "--layout", "bids", "--levels", "--soft") == 0

    spine = f"{START}_seg-spine_desc-T2w_dseg"
    expected = [
        *(".bidsignore", "dataset_description.json", "failures.json", "summary.csv", FIGURE),
        *(
            f"{START}_seg-{kind}_desc-T2w_dseg.{end}"
            for kind in ("spine", "parts", "levels")
            for end in ("nii.gz", "json", "tsv")
        ),
        *(
            f"{START}_label-{kind}_desc-T2w_probseg.{end}"
            for kind in ("cord", "canal")
            for end in ("nii.gz", "json")
        ),
    ]
    assert listing(out) == sorted(expected)
    np.testing.assert_array_equal(voxels(out / f"{spine}.nii.gz"), small.labels)
    sidecar = read_json(out / f"{spine}.json")
    assert sidecar["Sources"] == [f"bids:raw:{SCAN}"]
    assert sidecar["SpatialReference"] == "orig"
    assert sidecar["structures"][0]["name"] == "T12"
    assert str(tmp_path) not in (out / f"{spine}.json").read_text()
    described = read_json(out / "dataset_description.json")
    assert described["DatasetType"] == "derivative"
    assert described["GeneratedBy"][0]["Name"] == "SpineKit"
    assert described["DatasetLinks"] == {"raw": "../.."}
    assert described["SourceDatasets"] == [{"DOI": "doi:10.1/2"}]


def test_renaming_is_refused_and_says_what_to_do(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    run(dataset / SCAN, out, "--layout", "bids")
    before = listing(out)

    code = main(["relabel", str(out / f"{START}_seg-spine_desc-T2w_dseg.nii.gz"), "--set", "L3=L4"])

    assert code != 0
    assert "cannot be relabelled; segment the scan without --layout" in capsys.readouterr().err
    assert listing(out) == before


def test_the_table_explains_every_value(dataset: Path, tmp_path: Path) -> None:
    run(dataset / SCAN, tmp_path / "out", "--layout", "bids", "--scheme", "lumbar9")

    base = tmp_path / "out" / f"{START}_seg-spine_desc-T2w_dseg"
    lines = Path(f"{base}.tsv").read_text().splitlines()
    assert lines[0] == "index\tname\tcolor"
    rows = dict(line.split("\t")[:2] for line in lines[1:])
    assert rows["1"] == "L1"
    assert {int(index) for index in rows} == set(np.unique(voxels(f"{base}.nii.gz"))) - {0}
    assert all(len(line.split("\t")[2]) == 7 for line in lines[1:])


def test_a_grid_of_its_own_has_its_resolution_in_name_and_sidecar(
    dataset: Path, tmp_path: Path
) -> None:
    assert run(dataset, tmp_path / "out", "--layout", "bids", "--iso") == 0

    out = tmp_path / "out"
    base = f"{START}_seg-spine_res-1mm_desc-T2w_dseg"
    image = nib.load(out / f"{START}_res-1mm_desc-resampled_T2w.nii.gz")
    np.testing.assert_allclose(image.header.get_zooms(), 1.0)
    assert nib.load(out / f"{base}.nii.gz").shape == image.shape
    assert read_json(out / f"{base}.json")["Resolution"] == "1 mm isotropic"
    described = read_json(out / f"{START}_res-1mm_desc-resampled_T2w.json")
    assert described["SkullStripped"] is False


def test_a_second_run_finds_its_results(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from spinekit.apps.cli import main

    command = ["segment", str(dataset), str(tmp_path / "out"), "--layout", "bids"]
    assert main(command) == 0
    assert "done before" not in capsys.readouterr().out

    assert main(command) == 0

    assert "done before" in capsys.readouterr().out


def test_both_contrasts_of_a_session_have_their_own_files(
    store, dataset: Path, tmp_path: Path
) -> None:
    store(dataset / SCAN.replace("T2w", "T1w"))

    assert run(dataset, tmp_path / "out", "--layout", "bids") == 0

    names = listing(tmp_path / "out")
    assert len([name for name in names if name.endswith("dseg.nii.gz")]) == 4


@pytest.mark.parametrize(
    "path",
    [
        "scan.nii.gz",
        "sub-01_T2w.nii.gz",
        "sub-01/anat/scan.nii.gz",
        "sub-01/anat/sub-02_T2w.nii.gz",
        "sub-01/anat/sub-01_ses-1_T2w.nii.gz",
        "sub-01/ses-2/anat/sub-01_ses-1_T2w.nii.gz",
        "sub-01/anat/sub-01_desc-x_T2w.nii.gz",
        "sub-01/anat/sub-01.nii.gz",
        "sub-01/anat/sub-01_T2w.nrrd",
    ],
)
def test_what_is_no_bids_is_refused_before_anything_runs(
    store, tmp_path: Path, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="no raw anatomical scan of a BIDS dataset"):
        read_name(tmp_path / path)
    if not path.endswith(".nrrd"):
        store(tmp_path / "raw" / path)
        assert run(tmp_path / "raw", tmp_path / "out", "--layout", "bids") == 2
        assert "sub-LABEL/" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_without_a_raw_scan_it_says_so(
    store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store(tmp_path / "raw" / "sub-1" / "dwi" / "sub-1_dwi.nii.gz")

    assert run(tmp_path / "raw", tmp_path / "out", "--layout", "bids") == 2

    assert "no raw anatomical scan was found" in capsys.readouterr().err


def test_names_are_taken_apart(tmp_path: Path) -> None:
    name = read_name(tmp_path / SCAN)

    assert name.dataset == tmp_path
    assert (name.entities, name.suffix) == ("sub-01_ses-a_acq-sag", "T2w")
