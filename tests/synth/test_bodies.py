"""The sacrum where it is flat: no depth to divide by, and no bone."""

import numpy as np

from spinekit.synth.backend import Backend
from spinekit.synth.bodies import Place, draw_sacrum
from spinekit.synth.canvas import Canvas
from spinekit.synth.curve import build_curve
from spinekit.synth.scene import build_scene
from spinekit.synth.spine import sample_spine
from spinekit.synth.style import sample_style

PLACES = 20_000


def near_flat(half: np.float32) -> np.ndarray:
    """(PLACES,) float32 distances from the middle, around where the ala is bent to a plane."""
    u = np.float32(20.0) + np.float32(34.0) * np.sqrt(half / np.float32(8.0))
    return (u.view(np.int32) + np.arange(PLACES, dtype=np.int32) - PLACES // 2).view(np.float32)


def is_flat(half: np.float32, u: np.ndarray) -> np.ndarray:
    """Where front and back meet, as they are drawn below the sacrum."""
    bend = np.clip((u - 20.0) / 34.0, 0.0, 1.2)
    return half - bend * bend * 16.0 == -half


def test_where_front_and_back_of_the_sacrum_meet_there_is_no_bone_and_no_warning():
    backend, rng = Backend(), np.random.default_rng(0)
    spine = sample_spine(rng, ())
    curve = build_curve(spine)
    scene = build_scene(backend, spine, curve)
    depths = np.asarray(scene.along["sacral_d"], np.float32)
    below = np.flatnonzero(curve.t > curve.sacral[5])
    row = next(row for row in below if is_flat(depths[row], near_flat(depths[row])).any())
    u, zeros = near_flat(depths[row]), np.zeros((1, PLACES), np.float32)
    place = Place(
        t=zeros + np.float32(curve.t[row]),
        u=u[None],
        v=zeros,
        level=zeros.astype(int),
        along=np.full(PLACES, row),
        fine=zeros,
        mottle=zeros,
    )
    canvas = Canvas(backend, zeros.copy(), zeros.astype(np.uint8), zeros.astype(np.uint8), 0.5)
    draw_sacrum(canvas, scene, sample_style(backend, "T2", spine, rng), place)
    assert np.isfinite(canvas.image).all()
    assert not canvas.parts[0, is_flat(depths[row], u)].any()
