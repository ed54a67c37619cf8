import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qc.core.quality.anchoring import KeptBoxes, VersionBoxes, anchoring_bias, count_kept
from tests.core.qc.agreement import oracles

BOX = (0.0, 0.0, 10.0, 10.0)
NEAR = (0.0, 0.0, 10.0, 8.0)
FAR = (50.0, 0.0, 60.0, 10.0)


def test_boxes_are_kept_moved_dropped_and_added():
    found = count_kept({2: [BOX], 3: [BOX], 4: [FAR]}, {2: [BOX, FAR], 3: [NEAR], 5: [BOX]})
    assert found == KeptBoxes(proposed=3, drawn=4, kept=2, unchanged=1, iou=pytest.approx(1.8))


def test_nothing_proposed_and_nothing_drawn_is_nothing():
    assert count_kept({}, {}) == KeptBoxes(0, 0, 0, 0, 0.0)


def work(clip, *, blind, kept=80, added=20):
    return VersionBoxes(clip, blind, KeptBoxes(100, kept + added, kept, kept // 2, 0.8 * kept))


def test_blind_work_is_compared_on_clips_that_have_both():
    found = anchoring_bias(
        [work(1, blind=True), work(1, blind=False, kept=95), work(2, blind=False, kept=0)]
    )
    assert found.clips == 1
    assert found.kept.blind.value == 0.8
    assert found.kept.seen.value == 0.95
    assert found.kept.difference == pytest.approx(0.15)
    assert found.kept.interval is None
    assert found.kept.no_interval == "fewer than 8 clips to compare"
    assert not found.kept.is_certain


def test_boxes_that_lead_people_are_seen():
    led = [
        work(clip, blind=blind, kept=kept + (1 + blind) * clip % 3, added=added + clip % 2)
        for clip in range(10)
        for blind, kept, added in ((True, 75, 20), (False, 97, 5))
    ]
    found = anchoring_bias(led)
    assert found.kept.is_certain
    assert found.kept.difference > 0
    assert found.added.is_certain
    assert found.added.difference < 0
    assert not found.iou.is_certain


def test_people_who_do_the_same_either_way_are_not_led():
    same = [
        work(clip, blind=blind, kept=80 + (clip + blind) % 2)
        for clip in range(10)
        for blind in (True, False)
    ]
    assert not anchoring_bias(same).kept.is_certain


def test_nothing_to_compare_says_why():
    assert anchoring_bias([work(1, blind=True)]).iou.seen.reason == (
        "no clip has both blind answers and others"
    )
    empty = [VersionBoxes(1, blind, KeptBoxes(0, 0, 0, 0, 0.0)) for blind in (True, False)]
    assert anchoring_bias(empty).kept.blind.reason == "there are no boxes to compare"


def test_a_figure_is_defined_although_some_clips_have_no_boxes():
    nothing = KeptBoxes(0, 0, 0, 0, 0.0)
    some = [
        work(clip, blind=blind, kept=70 + clip % 5 + blind)
        for clip in range(9)
        for blind in (True, False)
    ]
    none = [VersionBoxes(clip, blind, nothing) for clip in (9, 10) for blind in (True, False)]
    assert anchoring_bias([*some, *none]).kept == anchoring_bias(some).kept
    assert anchoring_bias(some).kept.interval is not None


def test_the_interval_is_that_of_clips_left_out():
    random = np.random.default_rng(5)
    seen, blind = random.integers(70, 99, 12), random.integers(60, 95, 12)
    found = anchoring_bias(
        [
            work(clip, blind=is_blind, kept=int(kept[clip]))
            for clip in range(12)
            for is_blind, kept in ((False, seen), (True, blind))
        ]
    ).kept
    rest = [np.arange(12) != clip for clip in range(12)]
    without = [(seen[one].sum() - blind[one].sum()) / 1100 for one in rest]
    expected = oracles.jackknife_interval(found.difference, without, is_rate=False)
    assert found.interval == pytest.approx(expected, abs=1e-5)


kept = st.builds(
    lambda proposed, kept, more, close: KeptBoxes(
        proposed + kept, kept + more, kept, min(close, kept), 0.9 * kept
    ),
    *[st.integers(0, 20)] * 4,
)


@settings(deadline=None)
@given(st.lists(st.builds(VersionBoxes, st.integers(1, 5), st.booleans(), kept), max_size=20))
def test_every_figure_is_a_share_or_says_why_not(given_work):
    for lead in anchoring_bias(given_work)[1:]:
        for share in (lead.blind, lead.seen):
            assert bool(share.reason) != (share.value is not None)
            assert share.value is None or 0 <= share.value <= 1
        if lead.interval:
            assert -1 <= lead.interval[0] <= lead.interval[1] <= 1
