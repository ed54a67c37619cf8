from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.core.assignment import (
    Assignment,
    AssignmentError,
    assign_clips,
    blind_assignments,
    gold_assignments,
    loads,
    shared_clip_counts,
    shuffled,
)

PEOPLE = ["ann", "bob", "cem"]
CLIPS = {f"clip-{n:02d}": 1.0 + n % 7 for n in range(40)}


def shared(plan):
    return [clip for clip, names in plan.items() if len(names) > 1]


@settings(deadline=None)
@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=4), st.floats(0, 100), max_size=12),
    st.floats(0, 1),
    st.integers(0, 5),
)
def test_every_clip_gets_one_or_per_clip_annotators(weights, overlap, seed):
    plan = assign_clips(weights, PEOPLE, overlap=overlap, per_clip=2, seed=seed)
    assert list(plan) == sorted(weights)
    assert all(
        len(names) in (1, 2) and len(set(names)) == len(names) for names in plan.values()
    )


def test_the_share_of_shared_clips_is_the_overlap():
    plan = assign_clips(CLIPS, PEOPLE, overlap=0.3)
    assert len(shared(plan)) == 12
    assert all(plan[clip] == ("ann", "bob", "cem") for clip in shared(plan))


def test_all_clips_are_shared_if_the_overlap_is_1():
    plan = assign_clips(CLIPS, PEOPLE, overlap=1.0, per_clip=2)
    assert {len(names) for names in plan.values()} == {2}


def test_a_small_overlap_is_one_clip_at_least():
    assert len(shared(assign_clips(CLIPS, PEOPLE, overlap=0.001))) == 1


@pytest.mark.parametrize(
    ("overlap", "per_clip"), [(0.0, None), (0.3, None), (0.5, 2), (1.0, 2)]
)
def test_the_work_is_balanced_by_weight(overlap, per_clip):
    load = loads(assign_clips(CLIPS, PEOPLE, overlap=overlap, per_clip=per_clip), CLIPS)
    assert max(load.values()) - min(load.values()) <= max(CLIPS.values())


def test_the_order_of_the_input_does_not_matter():
    backwards = dict(reversed(CLIPS.items()))
    assert assign_clips(CLIPS, PEOPLE, overlap=0.3) == assign_clips(
        backwards, PEOPLE, overlap=0.3
    )


def test_another_seed_chooses_other_clips():
    first, second = (assign_clips(CLIPS, PEOPLE, overlap=0.3, seed=seed) for seed in (1, 2))
    assert shared(first) != shared(second)


def test_assignments_stay_and_count_for_overlap_and_balance():
    few = dict(list(CLIPS.items())[:20])
    before = assign_clips(few, PEOPLE, overlap=0.3, per_clip=2)
    after = assign_clips(CLIPS, PEOPLE, overlap=0.3, per_clip=2, assigned=before)
    assert {clip: after[clip] for clip in few} == before
    assert len(shared(after)) == 12
    load = loads(after, CLIPS)
    assert max(load.values()) - min(load.values()) <= max(CLIPS.values())


def test_a_complete_assignment_is_not_extended():
    plan = assign_clips(CLIPS, PEOPLE, overlap=0.3)
    assert assign_clips(CLIPS, PEOPLE, overlap=0.3, assigned=plan) == plan


def test_no_clips_are_no_work():
    assert assign_clips({}, PEOPLE, overlap=0.3) == {}


@pytest.mark.parametrize(
    ("people", "options", "message"),
    [
        pytest.param([], {"overlap": 0}, "at least one", id="nobody"),
        pytest.param(["a", "a"], {"overlap": 0}, "twice", id="twice"),
        pytest.param(PEOPLE, {"overlap": 1.5}, "0 to 1", id="a share above 1"),
        pytest.param(PEOPLE, {"overlap": float("nan")}, "0 to 1", id="no share"),
        pytest.param(PEOPLE, {"overlap": 0.5, "per_clip": 4}, "4 of 3", id="too many"),
        pytest.param(PEOPLE, {"overlap": 0.5, "per_clip": 1}, "1 of 3", id="one is no overlap"),
        pytest.param(["ann"], {"overlap": 0.5}, "1 of 1", id="alone"),
    ],
)
def test_an_impossible_request_is_refused_with_a_message(people, options, message):
    with pytest.raises(AssignmentError, match=message):
        assign_clips(CLIPS, people, **options)


def people(count):
    return [f"p{number:02d}" for number in range(count)]


def pair_counts(plan, names):
    met = shared_clip_counts(plan.values())
    return [met[pair] for pair in combinations(sorted(names), 2)]


clips = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=4), st.integers(0, 300), min_size=1, max_size=40
)
requests = st.fixed_dictionaries(
    {
        "overlap": st.floats(0, 1),
        "per_clip": st.none() | st.integers(2, 4),
        "seed": st.integers(0, 99),
    }
)


@settings(deadline=None)
@given(clips, st.integers(4, 9), requests)
def test_every_clip_gets_one_or_as_many_annotators_as_requested(weights, count, request):
    plan = assign_clips(weights, people(count), **request)
    several = request["per_clip"] or count
    assert list(plan) == sorted(weights)
    assert {len(team) for team in plan.values()} <= {1, several}
    assert all(len(set(team)) == len(team) for team in plan.values())
    assert abs(len(shared(plan)) - request["overlap"] * len(weights)) <= 1


@settings(deadline=None)
@given(clips, st.integers(4, 9), requests, st.randoms(use_true_random=False))
def test_the_same_request_gives_the_same_plan_in_any_order(weights, count, request, random):
    names, items = people(count), list(weights.items())
    first = assign_clips(weights, names, **request)
    random.shuffle(names)
    random.shuffle(items)
    assert assign_clips(dict(items), names, **request) == first


@settings(deadline=None)
@given(clips, st.integers(2, 8), st.floats(0, 1), st.integers(0, 99))
def test_no_pair_shares_two_clips_before_every_pair_shares_one(weights, count, overlap, seed):
    plan = assign_clips(weights, people(count), overlap=overlap, per_clip=2, seed=seed)
    met = pair_counts(plan, people(count))
    assert max(met) - min(met) <= 1


@settings(deadline=None)
@given(clips, st.integers(4, 8), st.integers(0, 99))
def test_larger_teams_share_clips_almost_as_evenly(weights, count, seed):
    plan = assign_clips(weights, people(count), overlap=1.0, per_clip=3, seed=seed)
    met = pair_counts(plan, people(count))
    assert max(met) - min(met) <= 3


@settings(deadline=None)
@given(clips, st.integers(1, 8), st.integers(0, 99))
def test_without_overlap_nobody_has_more_than_one_heavy_clip_too_many(weights, count, seed):
    plan = assign_clips(weights, people(count), overlap=0.0, seed=seed)
    load = dict.fromkeys(people(count), 0) | loads(plan, weights)
    assert max(load.values()) - min(load.values()) <= max(weights.values())


@settings(deadline=None)
@given(clips, st.integers(2, 6), st.integers(2, 4), st.integers(0, 99))
def test_k_of_n_for_every_clip_is_balanced_by_weight_too(weights, count, per_clip, seed):
    per_clip = min(per_clip, count)
    plan = assign_clips(weights, people(count), overlap=1.0, per_clip=per_clip, seed=seed)
    load = dict.fromkeys(people(count), 0) | loads(plan, weights)
    assert max(load.values()) - min(load.values()) <= 2 * max(weights.values())


@settings(deadline=None)
@given(clips, clips, st.integers(4, 7), requests, st.integers(0, 3), st.integers(0, 3))
def test_new_clips_and_annotators_never_change_assignments(
    weights, later, count, request, joining, leaving
):
    before = assign_clips(weights, people(count), **request)
    names = people(count + joining)[leaving:]
    request = request | {"per_clip": min(request["per_clip"] or 9, len(names))}
    if len(names) < 2:
        request["overlap"] = 0
    after = assign_clips(later | weights, names, **request, assigned=before)
    assert all(set(before[clip]) <= set(after[clip]) for clip in weights)
    fresh = {name for clip, team in after.items() for name in {*team} - {*before.get(clip, ())}}
    assert fresh <= set(names)


@settings(deadline=None)
@given(clips, st.integers(2, 5), requests, st.integers(0, 900))
def test_nobody_gets_more_than_their_capacity(weights, count, request, most):
    request = request | {"per_clip": 2}
    capacity_left = {name: most for name in people(count)[1:]}
    plan = assign_clips(weights, people(count), **request, capacity_left=capacity_left)
    assert all(loads(plan, weights).get(name, 0) <= most for name in capacity_left)
    assert all(len(team) in (0, 1, 2) for team in plan.values())


def test_a_clip_for_which_nobody_has_capacity_waits():
    assert assign_clips({"a": 5}, ["ann"], overlap=0, capacity_left={"ann": 4}) == {"a": ()}
    half = assign_clips({"a": 5}, ["ann", "bob"], overlap=1, capacity_left={"ann": 4})
    assert half == {"a": ()}


def test_a_new_annotator_is_paired_with_everybody_first():
    before = assign_clips(CLIPS, PEOPLE, overlap=1.0, per_clip=2)
    more = {f"new-{number}": 3.0 for number in range(3)}
    after = assign_clips(
        CLIPS | more, [*PEOPLE, "dan"], overlap=1.0, per_clip=2, assigned=before
    )
    assert {after[clip] for clip in more} == {("ann", "dan"), ("bob", "dan"), ("cem", "dan")}


def test_the_annotator_with_most_open_work_gets_least_new_work():
    before = {clip: ("ann",) for clip in CLIPS}
    more = {f"new-{number}": 1.0 for number in range(4)}
    idle = assign_clips(CLIPS | more, ["ann", "bob"], overlap=0, assigned=before, load={})
    busy = assign_clips(CLIPS | more, ["ann", "bob"], overlap=0, assigned=before)
    assert loads({clip: idle[clip] for clip in more}, more) == {"ann": 2, "bob": 2}
    assert all(busy[clip] == ("bob",) for clip in more)


def test_an_annotator_who_left_is_replaced():
    assigned = {"a": ("ann",), "b": ()}
    plan = assign_clips(
        {"a": 1, "b": 1}, PEOPLE, overlap=0, assigned=assigned, quota={"a": 2, "b": 1},
        excluded={"a": ["bob"]},
    )  # fmt: skip
    assert plan["a"] == ("ann", "cem")
    assert len(plan["b"]) == 1


def test_a_larger_overlap_adds_annotators_to_assigned_clips():
    before = assign_clips(CLIPS, PEOPLE, overlap=0.0)
    after = assign_clips(CLIPS, [*PEOPLE, "dan"], overlap=0.5, per_clip=2, assigned=before)
    assert len(shared(after)) == 20
    assert all(set(before[clip]) < set(after[clip]) for clip in shared(after))
    assert min(pair_counts(after, [*PEOPLE, "dan"])) >= 1


def assignments_of(plan):
    return [Assignment(clip, name) for clip, team in plan.items() for name in team]


@settings(deadline=None)
@given(clips, st.floats(0, 1), st.floats(0, 1), st.integers(0, 99))
def test_each_annotator_does_the_requested_share_blind(weights, overlap, share, seed):
    plan = assign_clips(weights, people(4), overlap=overlap, per_clip=2, seed=seed)
    blind = blind_assignments(assignments_of(plan), plan, share=share, seed=seed)
    assert blind <= set(assignments_of(plan))
    for name in people(4):
        has = sum(name in team for team in plan.values())
        assert abs(sum(one.annotator == name for one in blind) - share * has) <= 0.5


def test_blind_clips_are_ones_that_somebody_has_with_pre_annotation():
    plan = assign_clips(CLIPS, PEOPLE, overlap=0.5)
    blind = blind_assignments(assignments_of(plan), plan, share=0.2, seed=1)
    assert len(blind) >= 15
    in_clip = [one.clip for one in blind]
    assert all(in_clip.count(clip) < len(plan[clip]) for clip in in_clip)


def test_what_was_blind_before_counts_for_the_share():
    plan = {"a": ("ann",), "b": ("ann",)}
    before = [Assignment("a", "ann")]
    new = [Assignment("b", "ann")]
    assert blind_assignments(new, plan, share=0.5, blind_before=before) == set()
    assert blind_assignments(new, plan, share=1.0, blind_before=before) == {
        Assignment("b", "ann")
    }


@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=3), st.sets(st.sampled_from(PEOPLE))),
    st.dictionaries(st.sampled_from(PEOPLE), st.integers(0, 6)),
    st.integers(0, 9),
)
def test_nobody_gets_a_gold_clip_twice_or_fewer_than_possible(gold, wanted, seed):
    chosen = gold_assignments(gold, wanted, seed=seed)
    assert len(set(chosen)) == len(chosen)
    assert all(one.annotator not in gold[one.clip] for one in chosen)
    for name, count in wanted.items():
        free = sum(name not in had for had in gold.values())
        assert sum(one.annotator == name for one in chosen) == min(count, free)


def test_gold_clips_are_used_evenly():
    gold = {f"gold-{number}": [] for number in range(6)}
    chosen = gold_assignments(gold, dict.fromkeys(PEOPLE, 2))
    assert sorted(one.clip for one in chosen) == sorted(gold)


def test_the_shuffled_order_is_always_the_same():
    plan = assignments_of(assign_clips(CLIPS, PEOPLE, overlap=0.5))
    order = shuffled(plan, seed=3)
    assert order == shuffled(reversed(plan), seed=3)
    assert sorted(order) == sorted(plan) != order


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_blind_share_outside_0_to_1_is_refused(share):
    with pytest.raises(AssignmentError, match="blind share"):
        blind_assignments([], {}, share=share)
