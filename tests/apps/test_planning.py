"""Which scans are done, and which one a mask was drawn on, told by names and folders alone."""

from pathlib import Path

import pytest

from spinekit.adoption import MaskOptions
from spinekit.apps.grouping import Localizers
from spinekit.apps.options import RunOptions
from spinekit.apps.planning import ScanRequest, plan_jobs, plan_masks
from spinekit.core.errors import UsageError
from spinekit.options import SegmentOptions


def plan(top: Path, files: str) -> dict[str, str]:
    """Mask → the scan found for it, from `top`; the files are empty, nothing opens them."""
    for name in files.split():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / f"{name}.nii.gz").touch()
    run, found = RunOptions(top / "out"), {}
    for job in plan_masks(top / "masks", MaskOptions("bone"), run, image=top / "scans"):
        image = Path(str(job.options.image))
        found[job.shown.removesuffix(".nii.gz")] = (
            str(image.relative_to(top / "scans")).removesuffix(".nii.gz")
            if image.exists()
            else "none"
        )
    return found


@pytest.mark.parametrize("command", ["segment", "label"])
def test_scans_in_an_out_inside_the_input_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    for name in ("a/x", "a/y", "a/deep/z", "b/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.nii.gz").touch()
    if command == "label":
        (tmp_path / "a" / "y.nii.gz").rename(tmp_path / "a" / "w.seg.nrrd")
    (tmp_path / "a" / "x_dseg.nii.gz").touch()
    (tmp_path / "a" / "x_dseg.json").write_text('{"schema": 1, "spinekit_version": "1"}')

    def plan_into(out: Path, *, quiet: bool = False) -> list[str]:
        run = RunOptions(out, quiet=quiet)
        if command == "label":
            return [job.shown for job in plan_masks(tmp_path, MaskOptions(), run)]
        request = ScanRequest(tmp_path, SegmentOptions(), Localizers(None, (), ""))
        return [job.shown for job in plan_jobs(request, run)]

    assert plan_into(tmp_path / "a") == ["b/x.nii.gz"]
    what = {"segment": "scans", "label": "masks"}[command]
    said = (
        f"spinekit: 3 {what} in OUT ({tmp_path / 'a'}) passed over; give another OUT to do them\n"
    )
    assert capsys.readouterr().err == said

    plan_into(tmp_path / "a", quiet=True)
    plan_into(tmp_path / "new")
    assert "OUT" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            "masks/s1/T2_mask masks/s2/T2_mask scans/s1/T2",
            {"s1/T2_mask": "s1/T2", "s2/T2_mask": "none"},
        ),
        (
            "masks/s1/T2_mask masks/s2/T2_mask scans/s1/T2 scans/s2/anat/T2",
            {"s1/T2_mask": "s1/T2", "s2/T2_mask": "s2/anat/T2"},
        ),
        (
            "masks/s1/T2_mask masks/s2/T2_mask scans/s1/T2 scans/s2/.hidden",
            {"s1/T2_mask": "s1/T2", "s2/T2_mask": "none"},
        ),
        (
            "masks/p1/a_mask masks/p1/b_mask scans/a scans/p2/b",
            {"p1/a_mask": "a", "p1/b_mask": "none"},
        ),
        (
            "masks/a_T2_mask masks/b_mask scans/a scans/a_T2 scans/deep/er/b",
            {"a_T2_mask": "a_T2", "b_mask": "deep/er/b"},
        ),
        ("masks/a_mask masks/b_mask scans/a scans/s1/a", {"a_mask": "a", "b_mask": "none"}),
    ],
    ids=["missing", "below", "empty", "top", "longest", "nearest"],
)
def test_a_mask_takes_the_scan_of_its_own_folder(
    tmp_path: Path, files: str, expected: dict[str, str]
) -> None:
    assert plan(tmp_path, files) == expected


@pytest.mark.parametrize(
    "files",
    ["masks/T2_mask scans/s1/T2 scans/s2/T2", "masks/s/T2_mask scans/s/1/T2 scans/s/2/T2"],
)
def test_of_two_scans_of_one_name_none_is_taken(tmp_path: Path, files: str) -> None:
    with pytest.raises(UsageError, match=r"T2\.nii\.gz and .*T2\.nii\.gz may both be") as error:
        plan(tmp_path, files)

    assert error.value.code == "scan-twice"


def test_neither_masks_nor_results_are_taken_for_the_scan(tmp_path: Path) -> None:
    report = '{\n "schema": 1,\n "spinekit_version": "0.1.0"\n}'
    results = tmp_path / "scans" / "results"
    results.mkdir(parents=True)
    (results / "a_dseg.json").write_text(report, encoding="utf-8")

    found = plan(tmp_path, "masks/a_dseg_mine scans/a scans/results/a_dseg")

    assert found == {"a_dseg_mine": "a"}
    (tmp_path / "masks").rename(tmp_path / "scans" / "masks")
    (tmp_path / "masks").symlink_to(tmp_path / "scans" / "masks")
    assert plan(tmp_path, "masks/a_dseg_mine_2") == {"a_dseg_mine": "a", "a_dseg_mine_2": "a"}


def plan_scans(top: Path, files: str, suffix: str = "", layout: str = "spinekit") -> list[str]:
    """What is done of the files in `top`, which nothing opens."""
    for name in files.split():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(b"x")
    localizers = Localizers(None, (suffix,) if suffix else (), "")
    request = ScanRequest(top, SegmentOptions(), localizers, layout=layout)
    return [job.shown for job in plan_jobs(request, RunOptions(top / "out"))]


def test_a_series_is_chosen_of_a_folder_alone(tmp_path: Path) -> None:
    for name in ("scans/a.nii.gz", "mixed/a.nii.gz", "mixed/dicom/1.dcm"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def plan_of(source: Path) -> list[str]:
        request = ScanRequest(source, SegmentOptions(series=3), Localizers(None, (), ""))
        return [job.shown for job in plan_jobs(request, RunOptions(tmp_path / "out"))]

    for source in (tmp_path / "scans", tmp_path / "scans" / "a.nii.gz"):
        with pytest.raises(UsageError, match="no DICOM folder, so --series 3 chooses nothing"):
            plan_of(source)
    assert plan_of(tmp_path / "mixed") == ["a.nii.gz", "dicom"]


@pytest.mark.parametrize("files", ["a.nii a.nii.gz", "s/a.mha s/a.nrrd", "a.nii a/IM1.dcm"])
def test_two_scans_that_would_write_the_same_files_are_refused(tmp_path: Path, files: str) -> None:
    with pytest.raises(UsageError) as error:
        plan_scans(tmp_path, files)

    one, other = (name.removesuffix("/IM1.dcm") for name in files.split())
    assert error.value.code == "same-output"
    assert {one, other} == set(
        error.value.message.removesuffix(" would write the same files").split(" and ")
    )


def test_two_scans_of_one_name_that_write_nothing_are_no_matter(tmp_path: Path) -> None:
    assert plan_scans(tmp_path / "a", "x_T1.nii x_T1.nii.gz x_T2.nii", suffix="_T2") == ["x_T2.nii"]
    raw = "sub-1/anat/sub-1_T2w.nii.gz sub-1/dwi/sub-1_dwi.nii sub-1/dwi/sub-1_dwi.nii.gz"
    assert plan_scans(tmp_path / "b", raw, layout="bids") == ["sub-1/anat/sub-1_T2w.nii.gz"]


def test_only_the_scan_of_a_mask_must_not_be_there_twice(tmp_path: Path) -> None:
    for name in ("a.nii", "b.nii", "b.mha"):
        (tmp_path / "scans").mkdir(exist_ok=True)
        (tmp_path / "scans" / name).touch()

    assert plan(tmp_path, "masks/a_mask") == {"a_mask": "a.nii"}
    with pytest.raises(UsageError, match=r"b\.mha and b\.nii may both be the scan of b_mask"):
        plan(tmp_path, "masks/b_mask")
