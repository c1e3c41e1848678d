"""BIDS derivatives: names, sidecars, tables, and refusal of what is no BIDS."""

import dataclasses
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from blocks import BlockSpine, PredictWith, oracle_for
from layouts.conftest import FIGURE, SCAN, START, run
from results import bytes_of, listing, read_json, voxels
from spinekit.anatomy.scheme import PARTS, VALUES
from spinekit.apps.cli import main
from spinekit.core.errors import UsageError
from spinekit.io.discovery import find_scans
from spinekit.layouts.bids import read_name, select

pytestmark = pytest.mark.usefixtures("small_oracle")


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


def test_what_others_say_of_the_derivatives_stays(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(dataset, out, "--layout", "bids")
    described = read_json(out / "dataset_description.json")
    theirs = json.dumps({**described, "Authors": ["A. Author"]})
    (out / "dataset_description.json").write_text(theirs)

    seg = out / f"{START}_seg-spine_desc-T2w_dseg.nii.gz"
    assert main(["relabel", str(seg), "--set", "L5=L6", "--quiet"]) == 0

    assert read_json(out / "dataset_description.json") == {**described, "Authors": ["A. Author"]}


@pytest.mark.parametrize("described", [True, False])
@pytest.mark.parametrize("scan", [SCAN, ""])
def test_a_dataset_of_scans_is_no_place_for_results(
    dataset: Path, scan: str, described: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    if not described:
        (dataset / "dataset_description.json").unlink()
    before = bytes_of(dataset)

    assert run(dataset / scan, dataset, "--layout", "bids") == 2

    assert f"OUT ({dataset}) is" in capsys.readouterr().err
    assert bytes_of(dataset) == before


@pytest.mark.parametrize("maker", [{"Name": "Manual"}, "Manual", [None]])
def test_makers_that_are_no_list_of_tables_are_no_obstacle(dataset: Path, maker: object) -> None:
    out = dataset / "derivatives" / "labels"
    out.mkdir()
    theirs = {"DatasetType": "derivative", "GeneratedBy": maker, "DatasetLinks": "doi:10.1/3"}
    (out / "dataset_description.json").write_text(json.dumps(theirs))

    assert run(dataset, out, "--layout", "bids") == 0

    described = read_json(out / "dataset_description.json")
    first, ours = described["GeneratedBy"]
    assert [first] == (maker if isinstance(maker, list) else [maker])
    assert ours["Name"] == "SpineKit"
    assert (out / described["DatasetLinks"]["raw"]).resolve() == dataset


def test_derivatives_that_others_made_stay_theirs(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = dataset / "derivatives" / "labels"
    theirs = {
        "Name": "Labels by hand",
        "BIDSVersion": "1.8.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "Manual"}],
        "DatasetLinks": {"atlas": "doi:10.1/3"},
    }
    out.mkdir()
    (out / "dataset_description.json").write_text(json.dumps(theirs))
    (out / ".bidsignore").write_text("drafts/\nsummary.csv")

    for _ in range(2):
        assert run(dataset, out, "--layout", "bids", "--levels", "--soft", "--overwrite") == 0

    described = read_json(out / "dataset_description.json")
    ours = described["GeneratedBy"].pop()
    assert ours["Name"] == "SpineKit"
    assert described.pop("DatasetLinks") == {"atlas": "doi:10.1/3", "raw": "../.."}
    assert described.pop("SourceDatasets") == [{"DOI": "doi:10.1/2"}]
    assert described == {key: theirs[key] for key in theirs if key != "DatasetLinks"}
    ignored = (out / ".bidsignore").read_text().splitlines()
    assert ignored == ["drafts/", "summary.csv", "**/figures/", "failures.json"]

    assert main(["segment", str(out), str(tmp_path / "again")]) == 2
    assert f"5 files in {out} are results of this program" in capsys.readouterr().err


def test_the_table_explains_every_value(dataset: Path, tmp_path: Path) -> None:
    run(dataset / SCAN, tmp_path / "out", "--layout", "bids", "--scheme", "lumbar9")

    base = tmp_path / "out" / f"{START}_seg-spine_desc-T2w_dseg"
    lines = Path(f"{base}.tsv").read_text().splitlines()
    assert lines[0] == "index\tname\tcolor"
    rows = dict(line.split("\t")[:2] for line in lines[1:])
    assert rows["1"] == "L1"
    assert {int(index) for index in rows} == set(np.unique(voxels(f"{base}.nii.gz"))) - {0}
    assert all(len(line.split("\t")[2]) == 7 for line in lines[1:])


def test_a_value_of_several_structures_is_explained_once(
    small: BlockSpine,
    dataset: Path,
    tmp_path: Path,
    predict_with: PredictWith,
) -> None:
    parts, labels = small.parts.copy(), small.labels.copy()
    middle = (slice(7, 9), slice(22, 26))
    parts[middle], labels[middle] = PARTS.index("cord"), VALUES["spinal_cord"]
    predict_with(oracle_for(dataclasses.replace(small, parts=parts, labels=labels)))

    run(dataset / SCAN, tmp_path / "out", "--layout", "bids", "--scheme", "spider")

    table = tmp_path / "out" / f"{START}_seg-spine_desc-T2w_dseg.tsv"
    rows = [line.split("\t")[:2] for line in table.read_text().splitlines()]
    assert [name for index, name in rows if index == "100"] == ["spinal_canal + spinal_cord"]
    assert len({index for index, _ in rows}) == len(rows)


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


def test_what_an_earlier_run_left_goes_and_nothing_else(
    store, dataset: Path, tmp_path: Path
) -> None:
    out, clean = tmp_path / "out", tmp_path / "clean"
    store(dataset / SCAN.replace("T2w", "T1w"))
    run(dataset, out, "--layout", "bids", "--levels", "--soft")
    other = [name for name in listing(out) if "T1w" in name]
    seg = out / f"{START}_seg-spine_desc-T2w_dseg.nii.gz"
    assert main(["relabel", str(seg), "--set", "L5=L6", "--quiet"]) == 0

    assert run(dataset / SCAN, out, "--layout", "bids", "--overwrite", "--format", "nii") == 0

    assert [name for name in listing(out) if "T1w" in name] == other
    run(dataset / SCAN, clean, "--layout", "bids", "--format", "nii")
    mine = {*listing(out)} - {*other, "summary.csv", "failures.json"}
    assert mine == {*listing(clean)}


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


def test_of_a_dataset_only_anatomical_scans_are_taken(tmp_path: Path) -> None:
    for name in (
        "sub-1/anat/sub-1_T2w",
        "sub-1/anat/sub-1_mod-T2w_defacemask",
        "sub-1/mrs/sub-1_svs",
        "sub-1/perf/sub-1_asl",
        "derivatives/other/sub-1/anat/sub-1_T2w",
    ):
        path = tmp_path / f"{name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    kept = select(find_scans(tmp_path))

    assert [scan.path.relative_to(tmp_path).as_posix() for scan in kept] == [
        "sub-1/anat/sub-1_T2w.nii.gz"
    ]


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
