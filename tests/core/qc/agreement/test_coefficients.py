"""The registry of coefficients, against the definitions in `oracles`."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qc.core.agreement import (
    cohen_kappa,
    fleiss_kappa,
    gwet_ac1,
    krippendorff_alpha,
    percent_agreement,
)
from qc.core.agreement.coefficients import COEFFICIENTS
from tests.core.qc.agreement import oracles

AGREEMENT_PAGE = Path(__file__).parents[4] / "docs" / "agreement.md"

rating = st.sampled_from(["walk", "sit", "stand", None])
ratings = st.tuples(st.integers(2, 4), st.integers(1, 12)).flatmap(
    lambda size: st.lists(
        st.lists(rating, min_size=size[1], max_size=size[1]),
        min_size=size[0], max_size=size[0],
    )
)  # fmt: skip


def test_every_coefficient_has_its_own_name_and_column():
    for field in ("name", "label", "column", "help"):
        values = [getattr(one, field) for one in COEFFICIENTS]
        assert len(set(values)) == len(values)
        assert all(values)


@pytest.mark.parametrize("spec", COEFFICIENTS, ids=lambda spec: spec.name)
def test_every_coefficient_is_explained_in_the_help(spec):
    assert spec.label.split(",")[0].lower() in AGREEMENT_PAGE.read_text().lower()


@settings(deadline=None)
@given(ratings)
def test_coefficients_of_ratings_are_those_of_their_definitions(rows):
    sets = [[None if one is None else frozenset(one) for one in row] for row in rows]
    for found, expected in (
        (percent_agreement(rows), oracles.percent(rows)),
        (krippendorff_alpha(rows), oracles.alpha(rows)),
        (krippendorff_alpha(sets, metric="masi"), oracles.alpha(sets, oracles.masi)),
        (gwet_ac1(rows), oracles.ac1(rows)),
        (cohen_kappa(rows[0], rows[1]), oracles.kappa(rows[0], rows[1])),
    ):
        assert (found.value is None) == (expected is None)
        assert found.value == (None if expected is None else pytest.approx(expected))


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_fleiss_kappa_is_that_of_its_definition(yes):
    counts = [[one, 3 - one] for one in yes]
    found, expected = fleiss_kappa(np.array(counts)).value, oracles.fleiss(counts)
    assert found == (None if expected is None else pytest.approx(expected))
