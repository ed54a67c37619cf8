from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qc.core.release.splits import MIN_VIDEOS_FOR_TEST, split_videos

MANY = {f"video-{n:02d}": {1: 100, 2: 20 + n, 3: 5 if n % 4 == 0 else 0} for n in range(20)}


def sizes(splits):
    return Counter(splits.split_of.values())


def test_the_same_videos_and_seed_give_the_same_splits_in_any_order():
    turned = dict(reversed(MANY.items()))
    assert split_videos(MANY, seed=5) == split_videos(turned, seed=5)
    assert list(split_videos(MANY).split_of) == sorted(MANY)


def test_another_seed_gives_other_splits():
    assert split_videos(MANY, seed=1).split_of != split_videos(MANY, seed=2).split_of


def test_twenty_videos_are_shared_14_3_3():
    assert sizes(split_videos(MANY)) == {"train": 14, "val": 3, "test": 3}


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        pytest.param(2, {"train": 1, "val": 1}, id="2"),
        pytest.param(3, {"train": 2, "val": 1}, id="3"),
        pytest.param(5, {"train": 4, "val": 1}, id="5"),
        pytest.param(9, {"train": 7, "val": 2}, id="9"),
        pytest.param(10, {"train": 7, "val": 2, "test": 1}, id="10"),
    ],
)
def test_few_videos_have_no_test_split(count, expected):
    assert sizes(split_videos({f"v{n}": {1: 1} for n in range(count)})) == expected


def test_an_action_that_few_videos_show_is_met_in_train_and_in_val():
    rare = {f"v{n}": {1: 10, 2: 3 if n in (4, 7) else 0} for n in range(9)}
    splits = split_videos(rare)
    assert {splits.split_of["v4"], splits.split_of["v7"]} == {"train", "val"}
    assert splits.warnings == ()


def test_an_action_that_one_video_shows_trains_and_is_named():
    single = {f"v{n}": {1: 10, 2: 3 if n == 4 else 0} for n in range(6)}
    splits = split_videos(single)
    assert splits.split_of["v4"] == "train"
    assert "val shows nothing of 1 of 2 actions in use (ids 2)" in splits.warnings[0]


def test_one_video_trains_and_a_sentence_says_what_that_means():
    splits = split_videos({"only": {1: 3}})
    assert splits.split_of == {"only": "train"}
    assert "nothing can be measured" in splits.warnings[0]


def test_no_video_gives_no_split():
    assert split_videos({}).split_of == {}


def test_a_video_keeps_its_split_and_the_new_ones_fill_up():
    first = split_videos({f"v{n}": {1: 1} for n in range(4)}).split_of
    second = split_videos({f"v{n}": {1: 1} for n in range(9)}, kept=first).split_of
    assert {name: second[name] for name in first} == first
    assert Counter(second.values()) == {"train": 7, "val": 2}


def test_splits_of_videos_that_are_gone_do_not_matter():
    assert set(split_videos({"a": {1: 1}, "b": {1: 1}}, kept={"z": "val"}).split_of) == {
        "a",
        "b",
    }


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text("abcxyz", min_size=1, max_size=4),
        st.dictionaries(st.integers(1, 5), st.integers(0, 9)),
        max_size=14,
    )
)
def test_every_video_is_in_one_split_and_none_that_is_needed_is_empty(videos):
    splits = split_videos(videos)
    assert splits.split_of.keys() == videos.keys()
    if len(videos) >= 2:
        assert {"train", "val"} <= set(splits.split_of.values())
    assert ("test" in splits.split_of.values()) == (len(videos) >= MIN_VIDEOS_FOR_TEST)


def test_videos_of_one_recording_get_one_split():
    groups = {name: f"group-{int(name[-2:]) // 4}" for name in MANY}
    splits = split_videos(MANY, groups=groups)
    assert list(splits.split_of) == sorted(MANY)
    by_group = {}
    for name, split in splits.split_of.items():
        by_group.setdefault(groups[name], set()).add(split)
    assert all(len(found) == 1 for found in by_group.values())
    assert {"train", "val"} <= set(splits.split_of.values())


def test_a_new_video_joins_the_split_of_its_recording():
    videos = {f"v{n}": {1: 5} for n in range(6)}
    groups = {"v1": "g", "v4": "g", "gone": "g"}
    kept = {"gone": "val", "v0": "train"}
    splits = split_videos(videos, kept=kept, groups=groups).split_of
    assert splits["v1"] == splits["v4"] == "val"


def test_a_recording_that_was_shared_out_before_keeps_its_splits_and_is_named():
    videos = {f"v{n}": {1: 5} for n in range(6)}
    groups = dict.fromkeys(("v1", "v2", "v3"), "g")
    splits = split_videos(videos, kept={"v1": "val", "v2": "train"}, groups=groups)
    assert (splits.split_of["v1"], splits.split_of["v2"]) == ("val", "train")
    assert splits.split_of["v3"] == "train"
    assert "v1 (val), v2 (train)" in splits.warnings[-1]
