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


def after_assigning(state, plan, *, answered=()):
    """The state after `plan` was assigned and some of its tasks answered."""
    tasks = tuple(
        task._replace(is_answered=task.is_answered or task.annotator in answered)
        for task in (*state.tasks, *plan.tasks)
    )
    return DatasetState(state.weights, state.persons, tasks, gold=state.gold)


requests = st.builds(
    PlanRequest,
    annotators=st.lists(st.sampled_from(NAMES), min_size=2, unique=True).map(tuple),
    overlap=st.floats(0, 1),
    per_clip=st.sampled_from([None, 2]),
    seed=st.integers(0, 9),
    blind=st.sampled_from([0.0, 0.2, 1.0]),
    gold=st.sampled_from([0.0, 0.1, 0.5]),
)
states = st.builds(
    DatasetState,
    weights=st.dictionaries(st.sampled_from(sorted(CLIPS)), st.integers(1, 90)),
    persons=st.just(PERSONS),
    tasks=st.just(
        tuple(PlannedTask(f"gold-{n}", "expert", "gold", is_answered=True) for n in range(3))
    ),
    gold=st.just(frozenset({"gold-0", "gold-1", "gold-2"})),
)


@settings(deadline=None)
@given(states, requests)
def test_planning_twice_adds_nothing(state, request):
    plan = plan_assignments(state, request)
    again = plan_assignments(after_assigning(state, plan), request)
    assert again.tasks == ()


@settings(deadline=None)
@given(states, requests, requests, st.sets(st.sampled_from(NAMES)))
def test_nobody_ever_gets_a_clip_twice_whatever_is_requested_later(state, one, two, answered):
    after = after_assigning(state, plan_assignments(state, one), answered=answered)
    more = plan_assignments(
        DatasetState(after.weights | CLIPS, PERSONS, after.tasks, gold=after.gold), two
    )
    pairs = [task[:2] for task in (*after.tasks, *more.tasks)]
    assert len(set(pairs)) == len(pairs)
    assert {task.annotator for task in more.tasks} <= set(two.annotators)


@settings(deadline=None)
@given(states, requests, st.integers(0, 400))
def test_gold_and_blind_tasks_fit_into_the_hours_but_for_a_clip_or_two(state, request, most):
    limited = PlanRequest(
        request.annotators, request.overlap, per_clip=request.per_clip, seed=request.seed,
        blind=request.blind, gold=request.gold,
        capacity={request.annotators[0]: most * 10 / 3600},
    )  # fmt: skip
    plan = plan_assignments(state, limited)
    effort = effort_of(state, plan.tasks).get(request.annotators[0], 0)
    slack = 2 * max(state.weights.values(), default=0) + 2
    assert effort <= most + slack


@settings(deadline=None)
@given(states, requests)
def test_the_forecast_counts_the_planned_tasks(state, request):
    plan = plan_assignments(state, request)
    forecast = plan_forecast(state, plan, request)
    assert sum(share.clips + share.gold for share in forecast.shares) == len(plan.tasks)
    assert sum(len(line.new) for line in forecast.clips) == len(plan.tasks)
    assert sum(share.hours for share in forecast.shares) == pytest.approx(forecast.hours)
    assert len(forecast.pairs) == len(list(combinations(request.annotators, 2)))
    assert forecast.digest == plan_assignments(state, request).digest


def test_gold_checks_look_like_any_other_task():
    gold = frozenset({"gold-0", "gold-1"})
    experts = tuple(
        PlannedTask(clip, "expert", "gold", is_answered=True) for clip in sorted(gold)
    )
    state = DatasetState(CLIPS | dict.fromkeys(gold, 12.0), PERSONS, experts, gold=gold)
    plan = plan_assignments(state, PlanRequest(("ann", "bob"), 0.0, gold=0.2, seed=1))
    places = [place for place, task in enumerate(plan.tasks) if task.purpose == "check"]
    assert len(places) == 4
    assert places != list(range(18, 22))
    assert all(task.clip not in gold for task in plan.tasks if task.purpose == "work")


def test_a_gold_clip_that_others_did_too_stays_in_the_plan():
    tasks = (
        PlannedTask("a", "ann", "gold", is_answered=True),
        PlannedTask("a", "bob", is_answered=True),
    )
    state = DatasetState({"a": 5, "b": 5}, {}, tasks, gold=frozenset({"a"}))
    assert plan_assignments(state, PlanRequest(("ann", "bob"), 0.5)).tasks[0].clip == "b"
    assert len(plan_assignments(state, PlanRequest(("ann", "bob"), 0.5)).tasks) == 1


def test_unassigned_tasks_are_nobodys_load():
    tasks = (PlannedTask("a", "ann", is_unassigned=True), PlannedTask("b", "ann"))
    state = DatasetState({"a": 5, "b": 7}, {}, tasks, unassigned={"a": 1})
    assert effort_of(state, tasks) == {"ann": 7}
    plan = plan_assignments(state, PlanRequest(("ann", "bob"), 0))
    assert plan.tasks == (PlannedTask("a", "bob"),)
    assert teams_of(plan.tasks) == {"a": ("bob",)}


def test_an_unassigned_clip_that_nobody_else_can_do_waits():
    state = DatasetState(
        {"a": 5}, {}, (PlannedTask("a", "ann", is_unassigned=True),), unassigned={"a": 1}
    )
    plan = plan_assignments(state, PlanRequest(("ann",), 0))
    assert (plan.tasks, plan.waiting) == ((), ("a",))


def test_blind_work_takes_longer():
    state, request = DatasetState({"a": 36}, {}), PlanRequest(("ann",), 0, blind=1.0)
    assert plan_forecast(
        state, plan_assignments(state, request), request
    ).hours == pytest.approx(0.2)


def test_the_forecast_names_unpaired_annotators_and_waiting_clips():
    state = DatasetState(CLIPS, PERSONS)
    request = PlanRequest(
        NAMES, 0.05, per_clip=2, capacity=dict.fromkeys(NAMES, 0.05), gold=0.1
    )
    forecast = plan_forecast(state, plan_assignments(state, request), request)
    assert len(forecast.unpaired) == 9
    assert forecast.waiting
    assert forecast.is_gold_missing
    assert [name for name, _ in forecast.matrix] == sorted(NAMES)


def test_blind_tasks_with_nothing_to_compare_are_counted():
    state, request = DatasetState(CLIPS, PERSONS), PlanRequest(("ann", "bob"), 0, blind=0.5)
    assert (
        plan_forecast(state, plan_assignments(state, request), request).incomparable_blind == 10
    )


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_of_gold_outside_0_to_1_is_refused(share):
    with pytest.raises(AssignmentError, match="share of gold clips"):
        plan_assignments(DatasetState({}, {}), PlanRequest(("ann",), 0, gold=share))


class PlanLifecycle(RuleBasedStateMachine):
    """Clips and annotators are added, answer and leave; plans are assigned in between."""

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
    def annotator_joins(self, name):
        former = {task.annotator for task in self.tasks if task.is_void}
        if name not in self.people and name not in former:
            self.people.append(name)

    @rule(data=st.data())
    def annotator_leaves(self, data):
        if len(self.people) > 2:
            name = data.draw(st.sampled_from(self.people))
            self.people.remove(name)
            self.change(lambda task: task.annotator == name, is_unassigned=True)

    @rule(data=st.data())
    def annotator_answers(self, data):
        name = data.draw(st.sampled_from(self.people))
        self.change(lambda task: task.annotator == name, is_answered=True)

    @rule(request=requests)
    def plan(self, request):
        state = DatasetState(self.weights, {}, self.tasks, unassigned=self.unassigned())
        request = replace(request, annotators=tuple(self.people), gold=0.0)
        plan = plan_assignments(state, request)
        waiting = set(plan.waiting)
        self.tasks += plan.tasks
        counting = teams_of(task for task in self.tasks if task.counts)
        assert set(self.weights) == set(counting) | waiting
        for clip, count in self.unassigned().items():
            had = {task.annotator for task in self.tasks if task.clip == clip}
            assert len({*self.people} - had) < count
        again = DatasetState(self.weights, {}, self.tasks, unassigned=self.unassigned())
        assert plan_assignments(again, request).tasks == ()

    @invariant()
    def nobody_has_a_clip_twice(self):
        pairs = [task[:2] for task in self.tasks]
        assert len(set(pairs)) == len(pairs)

    def change(self, matches, **fields):
        self.tasks = tuple(
            task._replace(**fields) if matches(task) and not task.is_answered else task
            for task in self.tasks
        )

    def unassigned(self):
        """Unassigned tasks not replaced since; here a clip may only grow by replacements."""
        unassigned = Counter(task.clip for task in self.tasks if task.is_void)
        for place, task in enumerate(self.tasks):
            later = any(one.clip == task.clip and one.is_void for one in self.tasks[:place])
            unassigned[task.clip] -= later and not task.is_void
        return {clip: count for clip, count in unassigned.items() if count > 0}


TestPlanLifecycle = PlanLifecycle.TestCase
TestPlanLifecycle.settings = settings(deadline=None, max_examples=40, stateful_step_count=15)


def test_hours_are_counted_at_the_pace_of_each_annotator():
    state = DatasetState({"a": 36, "b": 36}, {})
    limited = PlanRequest(("ann",), 0, capacity={"ann": 0.1}, pace=10)
    slow = plan_assignments(state, limited)
    assert len(slow.tasks) == 1
    own = replace(limited, paces={"ann": 5.0})
    fast = plan_assignments(state, own)
    assert len(fast.tasks) == 2
    forecast = plan_forecast(state, fast, own)
    assert forecast.hours == forecast.shares[0].hours == pytest.approx(0.1)
    assert forecast.shares[0].pace == 5
