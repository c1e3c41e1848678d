"""Every label scheme, also those added later."""

import numpy as np
import pytest

from spinekit.anatomy.scheme import NAMES, VALUES, load_scheme, scheme_names
from spinekit.datasets.meaning import values_of


@pytest.mark.parametrize("name", scheme_names())
def test_a_scheme_knows_our_names_and_says_where_it_is_from(name: str) -> None:
    scheme = load_scheme(name)

    assert scheme.name == name
    assert scheme.description
    assert scheme.source
    assert set(scheme.values) <= set(VALUES)
    assert all(0 < value < 256 for value in scheme.values.values())


@pytest.mark.parametrize("name", scheme_names())
def test_everything_is_either_kept_or_reported(name: str) -> None:
    scheme = load_scheme(name)
    labels = np.array([value for value in NAMES if value < 200], np.uint8).reshape(-1, 1, 1)

    converted, lost = scheme.convert(labels)

    assert converted.shape == labels.shape
    gone = {int(value) for value in labels[converted == 0]}
    assert gone == {entry.value for entry in lost if entry.merged_into is None}
    values, counts = np.unique(converted[converted > 0], return_counts=True)
    shared = labels[np.isin(converted, values[counts > 1])].tolist()
    assert set(shared) == {entry.value for entry in lost if entry.merged_into is not None}
    assert values.size


@pytest.mark.parametrize("name", scheme_names())
def test_a_set_of_its_values_means_what_the_scheme_says(name: str) -> None:
    assert values_of(name) == load_scheme(name).meanings()
