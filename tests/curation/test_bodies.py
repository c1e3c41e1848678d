"""Masks of which a recipe says that they mark of a vertebra its body alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from curation.sets import save
from spinekit.anatomy.scheme import VALUES
from spinekit.curation.preparation import Job
from spinekit.curation.recipe import PrepareRecipe, Source
from spinekit.datasets.case import Case
from spinekit.datasets.meaning import mask_file


def job(patterns: tuple[str, ...], **masks: str) -> Job:
    found = tuple(mask_file(Path(f"labels/s_{k}.nii.gz"), word) for k, word in masks.items())
    case = Case("s", "set", "s", Path("images/s.nii.gz"), found)
    return Job("s", case, Source(bodies_only=patterns), PrepareRecipe(), Path("out"))


@pytest.mark.parametrize(
    ("patterns", "masks", "is_so"),
    [
        (("*_bodies",), {"bodies": "totalspineseg"}, True),
        (("*_bodies",), {"bodies": "totalspineseg", "discs": "totalspineseg"}, True),
        (("*_bodies",), {"parts": "parts", "names": "totalspineseg"}, False),
        (("*_bodies",), {"bodies": "totalspineseg", "parts": "parts"}, False),
        (("*_bodies",), {"bodies": "body", "arches": "posterior"}, False),
        (("*",), {"spine": "vertebra"}, True),
        (("*_bodies",), {}, False),
        ((), {"bodies": "body"}, False),
    ],
)
def test_a_case_is_of_bodies_alone_where_no_other_mask_has_the_rest(patterns, masks, is_so) -> None:
    assert job(patterns, **masks).bodies_only is is_so


@pytest.mark.parametrize(
    ("beside", "names", "is_so"),
    [
        ("dseg", ("L3", "L3-L4"), False),
        ("dseg", ("vertebra_1",), False),
        ("dseg", ("L3-L4", "sacrum", "spinal_canal"), True),
        ("dseg", (), True),
        ("more_bodies", ("L3",), True),
    ],
)
def test_a_mask_of_all_names_is_known_by_what_it_holds(
    beside: str, names: tuple[str, ...], is_so: bool, tmp_path: Path
) -> None:
    array = np.zeros((2, 3, 4), np.uint8)
    array.ravel()[: len(names)] = [VALUES[name] for name in names]
    words = {"bodies": "spinekit", beside: "spinekit"}
    made = job(("*_bodies",), **words)
    masks = tuple(replace(m, path=tmp_path / m.path.name) for m in made.case.masks)
    save(masks[1].path, array, np.eye(4))

    assert replace(made, case=replace(made.case, masks=masks)).bodies_only is is_so


def test_a_mask_of_one_vertebra_has_it_whole() -> None:
    assert not job(("*_bodies",), bodies="spinekit", third="L3").bodies_only
    assert job(("*_bodies",), bodies="spinekit", disc="L3-L4").bodies_only


def test_what_was_prepared_before_is_prepared_again_only_where_it_is_said() -> None:
    before = job((), bodies="body").said

    assert job(("*_bodies",), bodies="body").said != before
    assert job(("*_other",), bodies="body").said == before
