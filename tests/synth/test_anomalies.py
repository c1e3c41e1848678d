"""Every anomaly that can be asked for is there, in the labels and in the truth."""

from __future__ import annotations

import numpy as np
import pytest

from spinekit.anatomy.scheme import VALUES
from spinekit.synth.curve import build_curve
from spinekit.synth.phantom import draw_phantom
from spinekit.synth.spine import ANOMALIES, choose_anomalies, sample_spine


def named(truth, name):
    return next(x for x in truth["anomalies"] if x["name"] == name)


def sample(*anomalies, seed=0):
    return sample_spine(np.random.default_rng(seed), anomalies)


@pytest.mark.parametrize(
    ("anomaly", "thoracic", "lumbar"),
    [("T11", 11, 5), ("T13", 13, 5), ("L6", 12, 6), ("four-lumbar", 12, 4)],
)
def test_counts(anomaly, thoracic, lumbar):
    levels = sample(anomaly).levels
    assert sum(n[0] == "T" for n in levels) == thoracic
    assert sum(n[0] == "L" for n in levels) == lumbar


@pytest.mark.parametrize(
    ("anomaly", "last", "disc_above"),
    [("L6", "L6", "L5-L6"), ("four-lumbar", "L4", "L3-L4"), ("T13", "L5", "L4-L5")],
)
def test_the_last_disc_is_100_whatever_lies_above(drawn, anomaly, last, disc_above):
    p = drawn(3, "lumbar", anomaly)
    values = set(np.unique(p.labels))
    assert {VALUES[last], VALUES[disc_above], 100, 50} <= values
    assert f"{last}-S1" in p.truth["discs"]


@pytest.mark.parametrize("anomaly", ["fused-disc", "missing-disc"])
def test_a_lost_disc_has_no_voxel(drawn, anomaly):
    p = drawn(5, "lumbar", anomaly)
    disc = named(p.truth, anomaly)["disc"]
    upper, lower = disc.split("-")
    assert not (p.labels == VALUES[disc]).any()
    assert disc not in p.truth["discs"]
    upper_voxels = np.argwhere(p.labels == VALUES[upper])
    lower_voxels = np.argwhere(p.labels == VALUES[lower])
    gap = upper_voxels[:, 2].min() - lower_voxels[:, 2].max()
    assert gap <= 2


def test_fracture_takes_height():
    p = draw_phantom(6, fov="lumbar", anomalies=("fracture",), spacing_mm=(4, 1, 1))
    found = named(p.truth, "fracture")
    assert 0.2 < found["share"] < 0.65
    broken = (p.labels == VALUES[found["level"]]) & (p.parts == 1)
    column = p.truth["column"]
    place = column.index(found["level"])
    whole = [n for n in (column[place - 1], column[place + 1]) if n != "sacrum"]
    volume = np.mean([((p.labels == VALUES[n]) & (p.parts == 1)).sum() for n in whole])
    assert broken.sum() < 0.9 * volume


def test_listhesis_shifts_the_body():
    plain = sample(seed=4)
    spine = sample("listhesis", seed=4)
    found = next(x for x in spine.anomalies if x["name"] == "listhesis")
    k = spine.levels.index(found["level"])
    below = spine.slip_mm[k + 1] if k + 1 < len(spine.levels) else 0.0
    slip = spine.slip_mm[k] - below
    assert abs(found["slip_mm"]) >= 2.5
    assert slip == pytest.approx(found["slip_mm"], abs=2.0)
    assert len(plain.levels) == len(spine.levels)


def test_stenosis_narrows_the_canal(drawn):
    p = drawn(9, "lumbar", "stenosis")
    found = named(p.truth, "stenosis")
    canal = np.isin(p.parts, (4, 5)).sum(axis=(0, 1))
    area = {}
    for name in p.truth["discs"]:
        where = np.argwhere(p.labels == VALUES[name])
        # A disc tilts: the canal is met at the height of its rear end.
        rear = where[where[:, 1] <= np.quantile(where[:, 1], 0.15)]
        row = round(rear[:, 2].mean())
        area[name] = canal[max(row - 8, 0) : row + 9].min()
    narrow = area.pop(found["disc"])
    assert narrow < 0.7 * np.median(list(area.values()))


def test_scoliosis_bends_the_curve_sideways():
    pairs = [(sample(seed=n), sample("scoliosis", seed=n)) for n in range(8)]
    more = [np.ptp(build_curve(b).r) - np.ptp(build_curve(s).r) for s, b in pairs]
    assert np.mean(more) > 5


def test_prevalence_is_as_stated():
    rng = np.random.default_rng(0)
    draws = [choose_anomalies(rng, None) for _ in range(4000)]
    for name, share in ANOMALIES.items():
        rate = np.mean([name in d for d in draws])
        assert rate == pytest.approx(share, abs=4 * np.sqrt(share / 4000) + 0.002)


@pytest.mark.parametrize("asked", [("hump",), ("L6", "four-lumbar"), ("T11", "T13")])
def test_impossible_wishes_are_refused(asked):
    with pytest.raises(ValueError, match=asked[0]):
        sample(*asked)


def test_no_anomaly_when_none_is_wished():
    assert sample().anomalies == ()
