"""Arches are seen by the canal between them and the bodies."""

import numpy as np
import pytest

from spinekit.anatomy.parts import BODY, POSTERIOR
from spinekit.instances.arches import has_arches
from spinekit.synth.phantom import draw_phantom

SPACING = (4.0, 1.0, 1.0)


def test_bodies_have_no_arches_and_specks_make_none():
    bone = np.zeros((9, 60, 100), bool)
    assert not has_arches(bone, SPACING)
    for top in (30, 64, 98):
        bone[2:7, 25:55, top - 24 : top] = True
    assert not has_arches(bone, SPACING)
    bone[4, 5:8, 40:43] = True
    assert not has_arches(bone, SPACING)


@pytest.mark.parametrize("canal", [8, 12])
def test_bone_behind_a_gap_as_wide_as_a_canal_is_an_arch(canal):
    bone = np.zeros((9, 60, 40), bool)
    bone[2:7, 25:55, 8:32] = True
    bone[3:6, 5 : 25 - canal, 8:20] = True
    assert has_arches(bone, SPACING) == (canal == 12)


@pytest.mark.parametrize("fov", ["cervical", "lumbar"])
def test_whole_vertebrae_of_a_phantom_have_arches_and_its_bodies_none(fov):
    phantom = draw_phantom(900001, fov=fov, plane="isotropic", spacing_mm=(3.0, 1.0, 1.0))
    spacing = (3.0, 1.0, 1.0)
    assert has_arches(np.isin(phantom.parts, (BODY, POSTERIOR)), spacing)
    assert not has_arches(phantom.parts == BODY, spacing)
