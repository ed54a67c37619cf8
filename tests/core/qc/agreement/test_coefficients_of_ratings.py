"""Numbers from the papers, from hand calculations, and from the package `krippendorff`."""

import json

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qc.core.agreement import (
    Coefficient,
    cohen_kappa,
    fleiss_kappa,
    gwet_ac1,
    interval_iou,
    jaccard_distance,
    krippendorff_alpha,
    masi_distance,
    per_action_kappa,
    percent_agreement,
)

N = None
# 12 units and 4 observers of Krippendorff (Computing Krippendorff's Alpha-Reliability, 2011),
# and of Gwet 2014.
FOUR_RATERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3],
    [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
]
# Fleiss 1971, table 1: 30 patients, 6 psychiatrists each, 5 diagnoses.
FLEISS_1971 = """
00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 03300 10050 02031
00501 30012 51000 02040 10203 00006 01050 02013 20040 10041 05010 40002 02040 10500 00006
"""
FLEISS_WIKIPEDIA = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip


def spread(table, categories="abcdefgh"):
    """Two raters' ratings from their confusion matrix."""
    a, b = [], []
    for i, row in enumerate(table):
        for j, count in enumerate(row):
            a += [categories[i]] * count
            b += [categories[j]] * count
    return a, b


@pytest.mark.parametrize(
    ("a", "b", "kappa"),
    [
        pytest.param("aabb", "aabb", 1.0, id="full agreement"),
        pytest.param("aabb", "abab", 0.0, id="chance level"),
        pytest.param("aabb", "bbaa", -1.0, id="always the other label"),
        pytest.param("aaaa", "bbbb", 0.0, id="each rater has one label of their own"),
        pytest.param(*spread([[20, 5], [10, 15]]), 0.4, id="the example of Wikipedia"),
        pytest.param(*spread([[45, 15], [25, 15]]), 0.130435, id="same agreement, low"),
        pytest.param(*spread([[25, 35], [5, 35]]), 0.259259, id="same agreement, higher"),
        pytest.param(
            *spread([[88, 14, 18], [10, 40, 10], [2, 6, 12]]),
            0.491525,
            id="Cohen 1960, table 1",
        ),
    ],
)
def test_cohens_kappa_of_known_tables(a, b, kappa):
    assert cohen_kappa(a, b).value == pytest.approx(kappa, abs=1e-6)
    assert cohen_kappa(a, b).units == len(a)


def test_weights_of_cohens_kappa():
    a, b = [0, 1, 2, 2], [0, 2, 2, 0]
    # observed 0+1+0+2 = 3 of 4 units; expected by the margins (1,1,2) and (2,0,2): 16 / 4
    assert cohen_kappa(a, b, weights="linear").value == pytest.approx(1 - 4 * 3 / 16)
    assert cohen_kappa(a, b, weights="quadratic").value == pytest.approx(1 - 4 * 5 / 28)


def test_weights_follow_the_order_of_the_categories():
    a, b, order = ["low", "mid", "high"], ["mid", "mid", "low"], ["low", "mid", "high"]
    numbers = {name: place for place, name in enumerate(order)}
    expected = cohen_kappa([numbers[x] for x in a], [numbers[x] for x in b], weights="linear")
    assert cohen_kappa(a, b, categories=order, weights="linear") == expected
    two_apart = cohen_kappa(
        ["low", "high"], ["high", "low"], categories=order, weights="linear"
    )
    assert two_apart.value == pytest.approx(-1)


def test_fleiss_kappa_of_fleiss_1971():
    counts = [[int(digit) for digit in row] for row in FLEISS_1971.split()]
    assert fleiss_kappa(counts).value == pytest.approx(0.430, abs=5e-4)
    assert fleiss_kappa(counts).units == 30


def test_fleiss_kappa_of_wikipedia():
    assert fleiss_kappa(FLEISS_WIKIPEDIA).value == pytest.approx(0.20993, abs=1e-5)


@pytest.mark.parametrize(
    ("metric", "alpha"),
    [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)],
)
def test_krippendorffs_alpha_of_his_own_table(metric, alpha):
    coefficient = krippendorff_alpha(FOUR_RATERS, metric=metric)
    assert coefficient.value == pytest.approx(alpha, abs=5e-4)
    assert coefficient.units == 11


def test_gwets_ac1_of_his_own_table():
    assert gwet_ac1(FOUR_RATERS).value == pytest.approx(0.77544, abs=1e-5)
    assert percent_agreement(FOUR_RATERS).value == pytest.approx(0.8181818, abs=1e-7)


def test_ac1_is_steady_where_kappa_is_not():
    # Gwet 2008: 118 times yes-yes, 5 and 2 disagreements, never no-no.
    a, b = spread([[118, 5], [2, 0]])
    assert cohen_kappa(a, b).value == pytest.approx(-0.0234, abs=1e-4)
    assert gwet_ac1([a, b]).value == pytest.approx(0.9408, abs=1e-4)


def test_ac1_counts_categories_that_nobody_used():
    ratings = [["a", "a", "b"], ["a", "b", "b"]]
    assert gwet_ac1(ratings, categories="abcde").value > gwet_ac1(ratings).value


@pytest.mark.parametrize(
    ("a", "b", "masi", "jaccard"),
    [
        ({"x"}, {"x"}, 0.0, 0.0),
        ({"x", "y"}, {"x"}, 1 - 1 / 2 * 2 / 3, 0.5),
        ({"x", "y"}, {"y", "z"}, 1 - 1 / 3 * 1 / 3, 2 / 3),
        ({"x"}, {"y"}, 1.0, 1.0),
        (set(), {"y"}, 1.0, 1.0),
        (set(), set(), 0.0, 0.0),
    ],
)
def test_distances_of_sets(a, b, masi, jaccard):
    assert masi_distance(a, b) == masi_distance(b, a) == pytest.approx(masi)
    assert jaccard_distance(a, b) == jaccard_distance(b, a) == pytest.approx(jaccard)


def test_alpha_of_sets_takes_the_empty_set_as_a_value_and_none_as_missing():
    ratings = [[{"x"}, set(), {"x", "y"}, N], [{"x"}, set(), {"x"}, {"y"}]]
    alpha = krippendorff_alpha(ratings, metric="masi")
    assert alpha.units == 3
    # n = 6 values: 3 {x}, 2 {}, 1 {x,y}; one of three units is 1 - 1/3 apart
    expected = 2 * (3 * 2 * 1 + 3 * 1 * (2 / 3) + 2 * 1 * 1)
    assert alpha.value == pytest.approx(1 - 5 * 2 * (2 / 3) / expected)


def test_kappa_of_each_action():
    a = {1: {"wave"}, 2: {"wave", "carry"}, 3: set(), 4: {"carry"}, 5: None, 6: {"carry"}}
    b = {1: {"wave"}, 2: {"carry"}, 3: set(), 4: set(), 5: {"wave"}, 7: {"carry"}}
    kappas = per_action_kappa(a, b, actions=["wave", "carry", "sit"])
    assert list(kappas) == ["wave", "carry", "sit"]
    assert kappas["wave"] == cohen_kappa([1, 1, 0, 0], [1, 0, 0, 0])
    assert kappas["wave"].value == pytest.approx(0.5)
    assert kappas["sit"] == Coefficient(None, "only one category was used", 4)


@pytest.mark.parametrize(
    ("a", "b", "iou"),
    [
        ((0, 2), (1, 3), 1 / 3),
        ((0, 1), (1, 2), 0.0),
        ((0, 4), (1, 3), 0.5),
        ((1, 1), (1, 1), 0.0),
    ],
)
def test_overlap_of_segments_of_time(a, b, iou):
    assert interval_iou(a, b) == interval_iou(b, a) == pytest.approx(iou)


def test_a_segment_that_ends_before_it_starts_is_refused():
    with pytest.raises(ValueError, match="from 3 to 1"):
        interval_iou((3, 1), (0, 1))


EMPTY, FEW, NO_PAIR, ONE_LABEL = "nothing was", "fewer than two", "no unit", "only one category"
UNDEFINED = {
    "kappa of nothing": (lambda: cohen_kappa([], []), EMPTY, 0),
    "kappa, one label": (lambda: cohen_kappa("aa", "aa"), ONE_LABEL, 2),
    "kappa, one label of many": (
        lambda: cohen_kappa("aa", "aa", categories="abc", weights="linear"),
        ONE_LABEL,
        2,
    ),
    "kappa, no unit in common": (lambda: cohen_kappa([N, "a"], ["a", N]), NO_PAIR, 0),
    "Fleiss of nothing": (lambda: fleiss_kappa([]), EMPTY, 0),
    "Fleiss, nobody": (lambda: fleiss_kappa([[0, 0]]), FEW, 0),
    "Fleiss, one rater": (lambda: fleiss_kappa([[1, 0], [0, 1]]), FEW, 0),
    "Fleiss, one label": (lambda: fleiss_kappa([[3, 0], [3, 0]]), ONE_LABEL, 2),
    "alpha of nothing": (lambda: krippendorff_alpha([]), EMPTY, 0),
    "alpha, one rater": (lambda: krippendorff_alpha([["a", "b"]]), FEW, 0),
    "alpha, no unit twice": (lambda: krippendorff_alpha([["a", N], [N, "b"]]), NO_PAIR, 0),
    "alpha, the other label stands alone": (
        lambda: krippendorff_alpha([["a", "a", "b"], ["a", "a", N]]),
        ONE_LABEL,
        2,
    ),
    "alpha, only empty sets": (
        lambda: krippendorff_alpha([[set()], [set()]], metric="masi"),
        ONE_LABEL,
        1,
    ),
    "AC1 of nothing": (lambda: gwet_ac1([[], []]), EMPTY, 0),
    "AC1, one label": (lambda: gwet_ac1(["aa", "aa"]), ONE_LABEL, 2),
    "AC1, one label of several": (
        lambda: gwet_ac1(["aa", "aa"], categories="abc"),
        ONE_LABEL,
        2,
    ),
    "AC1, one rater": (lambda: gwet_ac1([["a"], [N]]), FEW, 0),
    "percent, one rater": (lambda: percent_agreement([["a"]]), FEW, 0),
    "percent, all missing": (lambda: percent_agreement([[N], [N]]), EMPTY, 0),
}


@pytest.mark.parametrize(("coefficient", "reason", "units"), UNDEFINED.values(), ids=UNDEFINED)
def test_what_is_not_defined_has_a_reason_and_no_value(coefficient, reason, units):
    found = coefficient()
    assert found.value is None
    assert reason in found.reason
    assert found.units == units


def test_a_coefficient_has_either_a_value_or_a_reason():
    with pytest.raises(ValueError, match="reason"):
        Coefficient(0.5, "because", 3)
    with pytest.raises(ValueError, match="reason"):
        Coefficient(None, "", 3)
    with pytest.raises(ValueError, match="nan"):
        Coefficient(float("nan"), "", 3)


def test_lists_tuples_and_arrays_are_the_same_ratings():
    rows = [[1.0, 2.0, float("nan"), 2.0], [1.0, 2.0, 2.0, 1.0]]
    as_array, as_tuples = np.array(rows), tuple(map(tuple, rows))
    for figure in (krippendorff_alpha, gwet_ac1, percent_agreement):
        assert figure(as_array) == figure(as_tuples) == figure(rows)
    assert cohen_kappa(*as_array) == cohen_kappa(*rows) == cohen_kappa(*map(iter, rows))
    sets = [[np.array(["a", "b"]), np.array(["c"])], [["b", "a"], ("c",)]]
    assert krippendorff_alpha(sets, metric="masi").value == pytest.approx(1)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: cohen_kappa("aaa", "aa"), "3 ratings against 2"),
        (lambda: cohen_kappa("ab", "ab", categories="a"), "'b' is not one of the categories"),
        (lambda: cohen_kappa("ab", "ab", weights="cubic"), "weights"),
        (lambda: cohen_kappa([1, "b"], [1, 1], weights="linear"), "weights need an order"),
        (lambda: fleiss_kappa([[3, 0], [1, 1]]), "2 to 3 ratings a unit"),
        (lambda: fleiss_kappa([[1.5, 0.5]]), "whole numbers"),
        (lambda: fleiss_kappa([[-1, 3]]), "whole numbers"),
        (lambda: krippendorff_alpha([[1], [1]], metric="cubic"), "no metric 'cubic'"),
        (lambda: krippendorff_alpha([[-1], [1]], metric="ratio"), "-1 is below 0"),
        (lambda: krippendorff_alpha([["a"], ["b"]], metric="interval"), "'a' is not a number"),
        (lambda: krippendorff_alpha([["ab"], ["b"]], metric="masi"), "'ab' is not a set"),
        (lambda: krippendorff_alpha([[1, 2], [1]]), "2 ratings against 1"),
        (lambda: krippendorff_alpha([[1], [np.inf]], metric="interval"), "inf is infinitely"),
        (lambda: masi_distance("walk", {"walk"}), "'walk' is not a set"),
        (lambda: jaccard_distance(set(), None), "None is not a set"),
        (lambda: gwet_ac1([["a"], ["z"]], categories="ab"), "'z' is not one"),
    ],
)
def test_what_cannot_be_meant_is_refused(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


SEVERAL = st.integers(2, 4)
labels = st.sampled_from(["walk", "sit", "stand", "unset", None])


def tables(cells, *, raters=SEVERAL):
    sizes = st.tuples(raters, st.integers(1, 12))
    return sizes.flatmap(
        lambda size: st.lists(
            st.lists(cells, min_size=size[1], max_size=size[1]),
            min_size=size[0],
            max_size=size[0],
        )
    )


def coefficients(ratings):
    found = [krippendorff_alpha(ratings), gwet_ac1(ratings), percent_agreement(ratings)]
    found += [krippendorff_alpha([list(map(only, row)) for row in ratings], metric="masi")]
    return [*found, cohen_kappa(ratings[0], ratings[1])]


def only(label):
    return None if label in (None, "unset") else {label}


def same(first, second):
    return all(
        a.reason == b.reason and a.units == b.units and a.value == pytest.approx(b.value)
        for a, b in zip(first, second, strict=True)
    )


@settings(deadline=None)
@given(tables(labels))
def test_every_coefficient_is_at_most_one_and_never_nan(ratings):
    for one in coefficients(ratings):
        if one.value is not None:
            assert -1e9 < one.value <= 1 + 1e-12
    assert all(one.value is None or one.value >= 0 for one in [percent_agreement(ratings)])
    json.dumps([one.value for one in coefficients(ratings)], allow_nan=False)


@settings(deadline=None)
@given(tables(labels, raters=st.just(2)))
def test_the_order_of_two_raters_does_not_matter(ratings):
    assert same(coefficients(ratings), coefficients(ratings[::-1]))


@settings(deadline=None)
@given(tables(labels), st.randoms(use_true_random=False))
def test_the_order_of_units_and_of_raters_does_not_matter(ratings, random):
    places = list(range(len(ratings[0])))
    random.shuffle(places)
    shuffled = [[row[place] for place in places] for row in ratings]
    assert same(coefficients(ratings), coefficients(shuffled))
    random.shuffle(shuffled)
    assert same(coefficients(ratings)[:4], coefficients(shuffled)[:4])


@settings(deadline=None)
@given(tables(labels))
def test_the_names_of_the_categories_do_not_matter(ratings):
    other = {"walk": 9, "sit": -3, "stand": "x", "unset": None, None: float("nan")}
    assert same(
        coefficients(ratings)[:3], coefficients([[other[x] for x in r] for r in ratings])[:3]
    )


@settings(deadline=None)
@given(tables(labels))
def test_unset_is_missing_and_never_agrees(ratings):
    missing = [[None if x == "unset" else x for x in row] for row in ratings]
    assert same(coefficients(ratings), coefficients(missing))
    more = [[*row, "unset"] for row in ratings]
    assert same(coefficients(ratings), coefficients(more))


@settings(deadline=None)
@given(st.lists(st.sampled_from("abc"), min_size=2, max_size=12))
def test_a_rater_agrees_fully_with_a_copy(row):
    found = coefficients([row, row])
    assert all(one.value in (None, 1.0) for one in found)
    assert (found[0].value is None) == (len(set(row)) == 1)


@settings(deadline=None)
@given(tables(st.sampled_from([1, 2, 3, 4, None]), raters=st.integers(2, 5)))
def test_alpha_is_that_of_the_package_krippendorff(ratings):
    cells = np.array(
        [[np.nan if x is None else x for x in row] for row in ratings], dtype=float
    )
    for metric in ("nominal", "ordinal", "interval", "ratio"):
        mine = krippendorff_alpha(ratings, metric=metric)
        if mine.value is not None:
            theirs = krippendorff.alpha(cells, level_of_measurement=metric)
            assert mine.value == pytest.approx(float(theirs))


@settings(deadline=None)
@given(tables(st.sampled_from("abc"), raters=st.integers(2, 5)))
def test_fleiss_kappa_is_alpha_but_for_small_samples(ratings):
    counts = [[column.count(label) for label in "abc"] for column in zip(*ratings, strict=True)]
    fleiss, alpha = fleiss_kappa(counts), krippendorff_alpha(ratings)
    assert fleiss.reason == alpha.reason
    if alpha.value is not None:
        total = len(ratings) * len(ratings[0])
        assert 1 - alpha.value == pytest.approx((1 - fleiss.value) * (total - 1) / total)


sets = st.frozensets(st.sampled_from("wxyz"), max_size=4)


@settings(deadline=None)
@given(sets, sets)
def test_distances_of_sets_are_bounded_and_symmetric(a, b):
    for distance in (masi_distance, jaccard_distance):
        assert distance(a, b) == distance(b, a)
        assert 0 <= distance(a, b) <= 1
        assert (distance(a, b) == 0) == (a == b)
    assert masi_distance(a, b) >= jaccard_distance(a, b) - 1e-12
