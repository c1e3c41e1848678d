"""The cord seen in a canal mask: drawn tubes and a phantom whose cord is known."""

import numpy as np

from spinekit.datasets.cord import cord_in_canal
from spinekit.synth.phantom import draw_phantom

SPACING = (1.0, 0.5, 0.5)


def drawn(*, cord: float, fluid: float, root_mm: float = 2.0):
    """A straight canal whose cord ends half-way down in a bundle of roots; (image, canal, cord)."""
    canal = np.zeros((20, 60, 300), bool)
    canal[3:17, 15:45] = True
    tube = np.zeros_like(canal)
    tube[6:14, 18:34, 150:] = True
    roots = np.zeros_like(canal)
    roots[6:14, 18 : 18 + round(root_mm / SPACING[1]), :150] = True
    image = np.where(canal, np.where(tube | roots, cord, fluid), 0.5 * fluid)
    noise = np.random.default_rng(0).normal(0, 0.03 * fluid, image.shape)
    return image + noise, canal, tube


def dice(found, true):
    return 2 * (found & true).sum() / (found.sum() + true.sum())


def test_a_dark_tube_is_found_and_its_roots_are_not():
    image, canal, tube = drawn(cord=300.0, fluid=900.0)
    found = cord_in_canal(image, canal, SPACING)
    assert dice(found, tube) > 0.95
    assert not found[:, :, :145].any()


def test_nothing_is_said_where_fluid_is_hardly_brighter_than_cord():
    image, canal, _ = drawn(cord=800.0, fluid=900.0)
    assert not cord_in_canal(image, canal, SPACING).any()


def test_no_canal_no_cord():
    image, canal, _ = drawn(cord=300.0, fluid=900.0)
    assert not cord_in_canal(image, np.zeros_like(canal), SPACING).any()


def test_the_cord_of_a_phantom():
    phantom = draw_phantom(10, fov="lumbar", contrast="T2")
    canal = (phantom.parts == 4) | (phantom.parts == 5)
    true = phantom.parts == 5
    found = cord_in_canal(phantom.image, canal, phantom.grid.spacing_mm)
    upper = np.flatnonzero(true.any(axis=(0, 1)))
    upper = upper[len(upper) // 2 :]
    assert dice(found[:, :, upper], true[:, :, upper]) > 0.75
