from collections import Counter
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from annotation.core.assignment import AssignmentError
from annotation.core.assignment_plan import (
    DatasetState,
    PlannedTask,
    PlanRequest,
    effort_of,
    plan_assignments,
    teams_of,
)
from annotation.core.plan_forecast import plan_forecast

NAMES = ("ann", "bob", "cem", "dan", "eva")
CLIPS = {f"clip-{n:02d}": 10.0 + n % 7 for n in range(20)}
PERSONS = {clip: {(1, number % 9), (1, number % 4)} for number, clip in enumerate(CLIPS)}


def given_out(state, found, *, answered=()):
    """Where things stand when `found` was given out and some of it answered."""
    tasks = tuple(
        task._replace(is_answered=task.is_answered or task.annotator in answered)
        for task in (*state.tasks, *found.tasks)
    )
    return DatasetState(state.weights, state.persons, tasks, gold=state.gold)


request = st.builds(
    PlanRequest,
    annotators=st.lists(st.sampled_from(NAMES), min_size=2, unique=True).map(tuple),
    overlap=st.floats(0, 1),
    per_clip=st.sampled_from([None, 2]),
    seed=st.integers(0, 9),
    blind=st.sampled_from([0.0, 0.2, 1.0]),
    gold=st.sampled_from([0.0, 0.1, 0.5]),
)
standings = st.builds(
    DatasetState,
    weights=st.dictionaries(st.sampled_from(sorted(CLIPS)), st.integers(1, 90)),
    persons=st.just(PERSONS),
    tasks=st.just(
        tuple(PlannedTask(f"gold-{n}", "expert", "gold", is_answered=True) for n in range(3))
    ),
    gold=st.just(frozenset({"gold-0", "gold-1", "gold-2"})),
)


@settings(deadline=None)
@given(standings, request)
def test_planning_twice_adds_nothing(state, wish):
    found = plan_assignments(state, wish)
    again = plan_assignments(given_out(state, found), wish)
    assert again.tasks == ()


@settings(deadline=None)
@given(standings, request, request, st.sets(st.sampled_from(NAMES)))
def test_nobody_ever_gets_a_clip_twice_whatever_is_wished_later(state, one, two, answered):
    stands = given_out(state, plan_assignments(state, one), answered=answered)
    more = plan_assignments(
        DatasetState(stands.weights | CLIPS, PERSONS, stands.tasks, gold=stands.gold), two
    )
    copies = [task[:2] for task in (*stands.tasks, *more.tasks)]
    assert len(set(copies)) == len(copies)
    assert {task.annotator for task in more.tasks} <= set(two.annotators)


@settings(deadline=None)
@given(standings, request, st.integers(0, 400))
def test_gold_and_blind_ones_fit_into_the_hours_but_for_a_clip_or_two(state, wish, most):
    limited = PlanRequest(
        wish.annotators, wish.overlap, per_clip=wish.per_clip, seed=wish.seed,
        blind=wish.blind, gold=wish.gold, capacity={wish.annotators[0]: most * 10 / 3600},
    )  # fmt: skip
    found = plan_assignments(state, limited)
    effort = effort_of(state, found.tasks).get(wish.annotators[0], 0)
    slack = 2 * max(state.weights.values(), default=0) + 2
    assert effort <= most + slack


@settings(deadline=None)
@given(standings, request)
def test_the_outlook_counts_what_is_given_out(state, wish):
    found = plan_assignments(state, wish)
    seen = plan_forecast(state, found, wish)
    assert sum(share.clips + share.gold for share in seen.shares) == len(found.tasks)
    assert sum(len(line.names) for line in seen.clips) == len(found.tasks)
    assert sum(share.hours for share in seen.shares) == pytest.approx(seen.hours)
    assert len(seen.pairs) == len(list(combinations(wish.annotators, 2)))
    assert seen.digest == plan_assignments(state, wish).digest


def test_gold_checks_look_like_any_other_task():
    gold = frozenset({"gold-0", "gold-1"})
    keys = tuple(PlannedTask(clip, "expert", "gold", is_answered=True) for clip in sorted(gold))
    state = DatasetState(CLIPS | dict.fromkeys(gold, 12.0), PERSONS, keys, gold=gold)
    found = plan_assignments(state, PlanRequest(("ann", "bob"), 0.0, gold=0.2, seed=1))
    places = [place for place, task in enumerate(found.tasks) if task.purpose == "check"]
    assert len(places) == 4
    assert places != list(range(18, 22))
    assert all(task.clip not in gold for task in found.tasks if task.purpose == "work")


def test_a_gold_clip_that_others_did_too_stays_in_the_plan():
    tasks = (
        PlannedTask("a", "ann", "gold", is_answered=True),
        PlannedTask("a", "bob", is_answered=True),
    )
    state = DatasetState({"a": 5, "b": 5}, {}, tasks, gold=frozenset({"a"}))
    assert plan_assignments(state, PlanRequest(("ann", "bob"), 0.5)).tasks[0].clip == "b"
    assert len(plan_assignments(state, PlanRequest(("ann", "bob"), 0.5)).tasks) == 1


def test_work_taken_back_is_nobodys_load():
    tasks = (PlannedTask("a", "ann", is_unassigned=True), PlannedTask("b", "ann"))
    state = DatasetState({"a": 5, "b": 7}, {}, tasks, unassigned={"a": 1})
    assert effort_of(state, tasks) == {"ann": 7}
    found = plan_assignments(state, PlanRequest(("ann", "bob"), 0))
    assert found.tasks == (PlannedTask("a", "bob"),)
    assert teams_of(found.tasks) == {"a": ("bob",)}


def test_a_clip_taken_back_that_nobody_else_can_do_waits():
    state = DatasetState(
        {"a": 5}, {}, (PlannedTask("a", "ann", is_unassigned=True),), unassigned={"a": 1}
    )
    found = plan_assignments(state, PlanRequest(("ann",), 0))
    assert (found.tasks, found.waiting) == ((), ("a",))


def test_blind_work_takes_longer():
    state, wish = DatasetState({"a": 36}, {}), PlanRequest(("ann",), 0, blind=1.0)
    assert plan_forecast(state, plan_assignments(state, wish), wish).hours == pytest.approx(0.2)


def test_the_outlook_names_pairs_that_never_meet_and_clips_that_wait():
    state = DatasetState(CLIPS, PERSONS)
    wish = PlanRequest(NAMES, 0.05, per_clip=2, capacity=dict.fromkeys(NAMES, 0.05), gold=0.1)
    seen = plan_forecast(state, plan_assignments(state, wish), wish)
    assert len(seen.unpaired) == 9
    assert seen.waiting
    assert seen.is_gold_missing
    assert [name for name, _ in seen.matrix] == sorted(NAMES)


def test_blind_copies_with_nothing_to_compare_are_counted():
    state, wish = DatasetState(CLIPS, PERSONS), PlanRequest(("ann", "bob"), 0, blind=0.5)
    assert plan_forecast(state, plan_assignments(state, wish), wish).incomparable_blind == 10


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_of_gold_outside_0_to_1_is_refused(share):
    with pytest.raises(AssignmentError, match="share of gold clips"):
        plan_assignments(DatasetState({}, {}), PlanRequest(("ann",), 0, gold=share))


class Seasons(RuleBasedStateMachine):
    """Clips come, people come, answer and leave; plans are made in between."""

    @initialize(count=st.integers(1, 6))
    def begin(self, count):
        self.weights = {f"clip-{number}": 5.0 + number for number in range(count)}
        self.tasks = ()
        self.people = ["ann", "bob", "cem"]

    @rule(count=st.integers(1, 4))
    def new_clips(self, count):
        first = len(self.weights)
        self.weights |= {f"clip-{first + n}": 5.0 + n for n in range(count)}

    @rule(name=st.sampled_from(NAMES))
    def somebody_comes(self, name):
        gone = {task.annotator for task in self.tasks if task.is_gone}
        if name not in self.people and name not in gone:
            self.people.append(name)

    @rule(data=st.data())
    def somebody_leaves(self, data):
        if len(self.people) > 2:
            name = data.draw(st.sampled_from(self.people))
            self.people.remove(name)
            self.change(lambda task: task.annotator == name, is_unassigned=True)

    @rule(data=st.data())
    def somebody_answers(self, data):
        name = data.draw(st.sampled_from(self.people))
        self.change(lambda task: task.annotator == name, is_answered=True)

    @rule(wish=request)
    def plan(self, wish):
        state = DatasetState(self.weights, {}, self.tasks, unassigned=self.lost())
        wish = replace(wish, annotators=tuple(self.people), gold=0.0)
        found = plan_assignments(state, wish)
        waits = set(found.waiting)
        self.tasks += found.tasks
        counting = teams_of(task for task in self.tasks if task.counts)
        assert set(self.weights) == set(counting) | waits
        for clip, count in self.lost().items():
            had = {task.annotator for task in self.tasks if task.clip == clip}
            assert len({*self.people} - had) < count
        again = DatasetState(self.weights, {}, self.tasks, unassigned=self.lost())
        assert plan_assignments(again, wish).tasks == ()

    @invariant()
    def nobody_has_a_clip_twice(self):
        copies = [task[:2] for task in self.tasks]
        assert len(set(copies)) == len(copies)

    def change(self, is_meant, **fields):
        self.tasks = tuple(
            task._replace(**fields) if is_meant(task) and not task.is_answered else task
            for task in self.tasks
        )

    def lost(self):
        """Tasks taken back that nobody got since; here a clip may only grow by replacements."""
        lost = Counter(task.clip for task in self.tasks if task.is_gone)
        for place, task in enumerate(self.tasks):
            later = any(one.clip == task.clip and one.is_gone for one in self.tasks[:place])
            lost[task.clip] -= later and not task.is_gone
        return {clip: count for clip, count in lost.items() if count > 0}


TestSeasons = Seasons.TestCase
TestSeasons.settings = settings(deadline=None, max_examples=40, stateful_step_count=15)
