"""Masks of which a recipe says that they mark of a vertebra its body alone."""

from pathlib import Path

import pytest

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


def test_what_was_prepared_before_is_prepared_again_only_where_it_is_said() -> None:
    before = job((), bodies="body").said

    assert job(("*_bodies",), bodies="body").said != before
    assert job(("*_other",), bodies="body").said == before
