import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.core.assignment import AssignmentError, assign

PEOPLE = ["ann", "bob", "cem"]
CLIPS = {f"clip-{n:02d}": 1.0 + n % 7 for n in range(40)}


def loads(plan, weights=CLIPS):
    return {
        person: sum(weights[clip] for clip, names in plan.items() if person in names)
        for person in PEOPLE
    }


def shared(plan):
    return [clip for clip, names in plan.items() if len(names) > 1]


@settings(deadline=None)
@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=4), st.floats(0, 100), max_size=12),
    st.floats(0, 1),
    st.integers(0, 5),
)
def test_every_clip_is_given_to_one_or_to_per_clip_people(weights, overlap, seed):
    plan = assign(weights, PEOPLE, overlap=overlap, per_clip=2, seed=seed)
    assert list(plan) == sorted(weights)
    assert all(
        len(names) in (1, 2) and len(set(names)) == len(names) for names in plan.values()
    )


def test_the_share_of_clips_done_by_several_is_the_overlap():
    plan = assign(CLIPS, PEOPLE, overlap=0.3)
    assert len(shared(plan)) == 12
    assert all(plan[clip] == ("ann", "bob", "cem") for clip in shared(plan))


def test_all_clips_are_done_by_several_if_the_overlap_is_whole():
    plan = assign(CLIPS, PEOPLE, overlap=1.0, per_clip=2)
    assert {len(names) for names in plan.values()} == {2}


def test_a_small_overlap_is_one_clip_at_least():
    assert len(shared(assign(CLIPS, PEOPLE, overlap=0.001))) == 1


@pytest.mark.parametrize(
    ("overlap", "per_clip"), [(0.0, None), (0.3, None), (0.5, 2), (1.0, 2)]
)
def test_the_work_is_balanced_by_weight(overlap, per_clip):
    load = loads(assign(CLIPS, PEOPLE, overlap=overlap, per_clip=per_clip))
    assert max(load.values()) - min(load.values()) <= max(CLIPS.values())


def test_the_order_of_the_input_does_not_matter():
    backwards = dict(reversed(CLIPS.items()))
    assert assign(CLIPS, PEOPLE, overlap=0.3) == assign(backwards, PEOPLE, overlap=0.3)


def test_another_seed_draws_other_clips():
    first, second = (assign(CLIPS, PEOPLE, overlap=0.3, seed=seed) for seed in (1, 2))
    assert shared(first) != shared(second)


def test_what_is_given_out_stays_and_counts_for_share_and_balance():
    few = dict(list(CLIPS.items())[:20])
    before = assign(few, PEOPLE, overlap=0.3, per_clip=2)
    after = assign(CLIPS, PEOPLE, overlap=0.3, per_clip=2, given=before)
    assert {clip: after[clip] for clip in few} == before
    assert len(shared(after)) == 12
    load = loads(after)
    assert max(load.values()) - min(load.values()) <= max(CLIPS.values())


def test_everything_given_out_leaves_nothing_to_do():
    plan = assign(CLIPS, PEOPLE, overlap=0.3)
    assert assign(CLIPS, PEOPLE, overlap=0.3, given=plan) == plan


def test_no_clips_are_no_work():
    assert assign({}, PEOPLE, overlap=0.3) == {}


@pytest.mark.parametrize(
    ("people", "options", "sentence"),
    [
        pytest.param([], {"overlap": 0}, "nobody", id="nobody"),
        pytest.param(["a", "a"], {"overlap": 0}, "twice", id="twice"),
        pytest.param(PEOPLE, {"overlap": 1.5}, "0 to 1", id="a share above 1"),
        pytest.param(PEOPLE, {"overlap": float("nan")}, "0 to 1", id="no share"),
        pytest.param(PEOPLE, {"overlap": 0.5, "per_clip": 4}, "4 of 3", id="too many"),
        pytest.param(PEOPLE, {"overlap": 0.5, "per_clip": 1}, "1 of 3", id="one is no overlap"),
        pytest.param(["ann"], {"overlap": 0.5}, "1 of 1", id="alone"),
    ],
)
def test_impossible_wishes_are_refused_with_a_sentence(people, options, sentence):
    with pytest.raises(AssignmentError, match=sentence):
        assign(CLIPS, people, **options)
