"""Which scan a mask was drawn on, told by names and folders alone."""

from pathlib import Path

import pytest

from spinekit.apps.cli import build_parser
from spinekit.apps.planning import plan_masks
from spinekit.core.errors import UsageError


def plan(top: Path, files: str) -> dict[str, str]:
    """Mask → the scan found for it, from `top`; the files are empty, nothing opens them."""
    for name in files.split():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / f"{name}.nii.gz").touch()
    words = ["label", top / "masks", top / "out", "--as", "bone", "--image", top / "scans"]
    jobs = plan_masks(build_parser("label").parse_args([str(word) for word in words]))
    found = {}
    for job in jobs:
        image = Path(str(job.options.image))
        found[job.shown.removesuffix(".nii.gz")] = (
            str(image.relative_to(top / "scans")).removesuffix(".nii.gz")
            if image.exists()
            else "none"
        )
    return found


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
