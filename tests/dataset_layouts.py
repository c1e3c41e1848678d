"""Small trees of every dataset in its published layout, with files of its own formats."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from blocks import draw_blocks
from scan_files import SHAPE, Slices, picture, save_itk, save_nifti
from spinekit.anatomy.scheme import PARTS
from spinekit.curation.recipe import prepare_recipe
from spinekit.curation.run import prepare_set
from spinekit.io.reading import read_scan
from spinekit.io.writing import write_labels


def mask(*values: int) -> np.ndarray:
    """A mask that holds these values, in boxes one above the other."""
    array = np.zeros(SHAPE, np.uint8)
    for n, value in enumerate(values):
        array[1:5, 5:15, 4 * n : 4 * n + 3] = value
    return array


def nifti(path: Path, array: np.ndarray | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_nifti(path, array)


def mha(path: Path, array: np.ndarray | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_itk(path, array)


def spider(root: Path) -> None:
    for name in ("1_t1", "1_t2", "2_t2", "2_t2_SPACE"):
        mha(root / "images" / f"{name}.mha")
        mha(root / "masks" / f"{name}.mha", mask(201, 1, 202, 2, 103, 100))
    (root / "overview.csv").write_text(
        "new_file_name,subset,num_vertebrae,num_discs,sex,birth_date,Manufacturer\n"
        "1_t1,training,7,7,F,1960,SIEMENS\n1_t2,training,7,7,F,1960,SIEMENS\n"
        "2_t2,validation,7,7,M,nan,Philips Medical Systems\n"
    )
    (root / "radiological_gradings.csv").write_text(
        "Patient,IVD label,Modic,UP endplate,LOW endplate,Spondylolisthesis,Disc herniation,"
        "Disc narrowing,Disc bulging,Pfirrman grade\n"
        "1,1,0,0,0,1,1,1,0,4\n1,2,2,1,0,0,0,0,1,3\n2,1,0,0,0,0,0,0,0,2\n"
    )


def al_khalil(root: Path) -> None:
    for patient in ("P01", "P02"):
        for contrast in ("T1", "T2"):
            mha(root / patient / f"{patient}_{contrast}.mha")
        for level in ("L1", "L2", "L3", "L4", "L5", "L1-L2", "L2-L3", "L3-L4", "L4-L5"):
            if (patient, level) != ("P02", "L5"):
                mha(root / patient / f"{patient}_{level}.mha", mask(1))


def chu(root: Path) -> None:
    """Seven bodies in one tag."""
    spine = draw_blocks((8.0, 4.0, 4.0), ("T11", "T12", "L1", "L2", "L3", "L4", "L5"))
    body = (spine.parts == PARTS.index("body")).astype(np.uint8)
    for number in ("01", "02"):
        for name, array in ((f"Img_{number}", spine.image), (f"Img_{number}_Labels", body)):
            root.mkdir(parents=True, exist_ok=True)
            save_nifti(root / f"{name}.nii", array, spine.grid.affine)


def myosegmentum(root: Path) -> None:
    for number in ("01", "02"):
        folder = root / number / "vertebrae"
        for name in ("WATER", "FAT", "FATFRACTION", "T2star", "B0"):
            folder.mkdir(parents=True, exist_ok=True)
            image = Slices().enhanced(list(range(SHAPE[0])))
            image.save_as(folder / f"{name}.dcm", enforce_file_format=True)
        grid = read_scan(folder / "WATER.dcm").volume.grid
        for level in range(1, 6):
            body = np.zeros(grid.shape, np.uint8)
            body[5:25, 8 * level - 8 : 8 * level - 2, 1:5] = 1
            write_labels(folder / f"L{level}_{number}.mha", body, grid)
        mha(root / number / "muscle" / f"psoas_left_{number}.mha", mask(1))


def mrspineseg(root: Path) -> None:
    for number in (1, 12):
        nifti(root / "train" / "MR" / f"Case{number}.nii.gz")
        nifti(root / "train" / "Mask" / f"mask_case{number}.nii.gz", mask(1, 2, 3, 11, 12))


def goldatlas(root: Path) -> None:
    """One patient's series side by side in a folder, another's in a folder each."""
    for number, name in enumerate(("T1", "T2", "CT", "CT deformed"), start=1):
        modality = "CT" if name.startswith("CT") else "MR"
        tags = {"SeriesDescription": name, "Modality": modality}
        series = Slices(number=number, uid=f"1.2.3.{number}", tags=tags)
        series.write(root / "1_01_P", prefix=f"{modality}{number}")
    for name in ("T1", "T2"):
        Slices().write(root / "2_03_P" / name)


def synthrad2023(root: Path) -> None:
    for patient in ("1PA001", "1PC002"):
        for name in ("mr", "ct"):
            nifti(root / "Task1" / "pelvis" / patient / f"{name}.nii.gz")
        nifti(root / "Task1" / "pelvis" / patient / "mask.nii.gz", mask(1))


def verse(root: Path) -> None:
    home = root / "dataset-verse19training"
    for subject, rest in (("004", ""), ("401", "_split-verse253")):
        stem = f"sub-verse{subject}"
        nifti(home / "rawdata" / stem / f"{stem}{rest}_ct.nii.gz")
        nifti(
            home / "derivatives" / stem / f"{stem}{rest}_seg-vert_msk.nii.gz", mask(19, 20, 25, 28)
        )
        (home / "derivatives" / stem / f"{stem}{rest}_seg-subreg_ctd.json").write_text("[]")


def spine_generic(root: Path, *subjects: str) -> None:
    (root / "dataset_description.json").parent.mkdir(parents=True, exist_ok=True)
    (root / "dataset_description.json").write_text('{"Name": "Spine Generic"}')
    (root / "participants.tsv").write_text(
        "participant_id\tsex\tage\tdate_of_scan\n" + f"{subjects[0]}\tM\t30\t2019-01-01\n"
    )
    for subject in subjects:
        labels = root / "derivatives" / "labels" / subject / "anat"
        for contrast in ("T1w", "T2w"):
            nifti(root / subject / "anat" / f"{subject}_{contrast}.nii.gz")
            nifti(labels / f"{subject}_{contrast}_label-SC_seg.nii.gz", mask(1))
        nifti(labels / f"{subject}_T2w_label-spine_dseg.nii.gz", mask(12, 13, 63))
        nifti(labels / f"{subject}_T2w_label-canal_seg.nii.gz", mask(1))
        nifti(labels / f"{subject}_T2w_label-discs_dlabel.nii.gz", mask(3, 4, 5))
        nifti(labels / f"{subject}_T2w_label-rootlets_dseg.nii.gz", mask(2, 3))
        nifti(root / subject / "dwi" / f"{subject}_dwi.nii.gz")


def single(root: Path) -> None:
    spine_generic(root, "sub-chiba750", "sub-douglas")


def multi(root: Path) -> None:
    spine_generic(root, "sub-amu01", "sub-amu02")


def totalspineseg(root: Path) -> None:
    for home in ("data-multi-subject", "spider-challenge-2023"):
        stem = "sub-001_T2w"
        nifti(root / "bids" / home / "sub-001" / "anat" / f"{stem}.nii.gz")
        labels = root / "bids" / home / "derivatives" / "labels_iso"
        for subject in ("sub-001", "sub-002"):
            part = labels / subject / "anat" / f"{subject}_T2w_space-resampled_label"
            nifti(Path(f"{part}-spine_dseg.nii.gz"), mask(44, 45, 50, 95, 100))
            nifti(Path(f"{part}-SC_seg.nii.gz"), mask(1))
            nifti(Path(f"{part}-canal_seg.nii.gz"), mask(1))


def phantom(root: Path) -> None:
    for name in ("phantom00000", "phantom00001"):
        nifti(root / "images" / f"{name}.nii.gz")
        nifti(root / "labels" / f"{name}_dseg.nii.gz", mask(44, 45, 50, 100, 1, 2))
        nifti(root / "labels" / f"{name}_parts.nii.gz", mask(1, 2, 3, 4, 5, 6))
        (root / "truth").mkdir(exist_ok=True)
        (root / "truth" / f"{name}.json").write_text(
            '{"contrast": "T2w", "fov": "lumbar", "anomalies": [{"name": "L6"}]}'
        )


def prepared(root: Path) -> None:
    with tempfile.TemporaryDirectory() as source:
        phantom(Path(source))
        prepare_set(prepare_recipe({"sources": [{"root": source, "dataset": "phantom"}]}), root)


def bids(root: Path) -> None:
    nifti(root / "sub-01" / "anat" / "sub-01_T2w.nii.gz")
    nifti(
        root / "derivatives" / "x" / "sub-01" / "anat" / "sub-01_T2w_label-SC_seg.nii.gz", mask(1)
    )
    (root / "dataset_description.json").write_text("{}")


def folder(root: Path) -> None:
    for name in ("a_T2w", "b_T1w"):
        nifti(root / "images" / f"{name}.nii.gz")
        nifti(root / "labels" / f"{name}.nii.gz", mask(41, 42))


def decathlon(root: Path) -> None:
    for name in ("a_T2", "b_T2"):
        nifti(root / "imagesTr" / f"{name}.nii.gz")
        nifti(root / "labelsTr" / f"{name}.nii.gz", mask(1, 2))
    nifti(root / "imagesTs" / "c_T2.nii.gz")
    (root / "dataset.json").write_text(
        json.dumps(
            {
                "labels": {"0": "background", "1": "vertebrae_L1", "2": "disc_L1_L2"},
                "training": [
                    {"image": f"./imagesTr/{n}.nii.gz", "label": f"./labelsTr/{n}.nii.gz"}
                    for n in ("a_T2", "b_T2")
                ],
                "test": ["./imagesTs/c_T2.nii.gz"],
            }
        )
    )


def nnunet(root: Path) -> None:
    for name in ("sub-01_T2w", "sub-02_T2w"):
        nifti(root / "imagesTr" / f"{name}_0000.nii.gz")
        nifti(root / "imagesTr" / f"{name}_0001.nii.gz")
        nifti(root / "labelsTr" / f"{name}.nii.gz", mask(1, 2, 3))
    nifti(root / "imagesTs" / "sub-03_T2w_0000.nii.gz")
    (root / "dataset.json").write_text(
        json.dumps(
            {
                "channel_names": {"0": "MRI", "1": "noNorm"},
                "labels": {"background": 0, "disc": [1, 2], "L5-S1": 2, "sacrum": 3},
                "regions_class_order": [1, 2, 3],
                "numTraining": 2,
                "file_ending": ".nii.gz",
            }
        )
    )


LAYOUTS: dict[str, tuple[Callable[[Path], None], dict[str, object], int, bool]] = {
    "spider": (spider, {}, 4, True),
    "al-khalil": (al_khalil, {}, 4, False),
    "chu": (chu, {}, 2, True),
    "myosegmentum": (myosegmentum, {}, 4, True),
    "mrspineseg": (mrspineseg, {}, 2, True),
    "totalspineseg": (totalspineseg, {}, 2, True),
    "spine-generic-single": (single, {}, 4, True),
    "spine-generic-multi": (multi, {}, 4, True),
    "verse": (verse, {}, 2, True),
    "goldatlas": (goldatlas, {}, 6, False),
    "synthrad2023": (synthrad2023, {}, 4, True),
    "phantom": (phantom, {}, 2, True),
    "prepared": (prepared, {}, 2, True),
    "nnunet": (nnunet, {}, 3, True),
    "decathlon": (decathlon, {}, 3, True),
    "bids": (bids, {}, 1, True),
    "folder": (folder, {"values": "totalspineseg"}, 2, True),
}
"""Name to what builds a tree, settings it needs, cases it has, and whether it is recognised."""


__all__ = ["LAYOUTS", "mask", "mha", "nifti", "picture"]
