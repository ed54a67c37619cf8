from collections import Counter
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from annotation.core.assignment import AssignmentError
from annotation.core.draft import Standing, Task, Wishes, draft, effort_of, teams_of
from annotation.core.outlook import outlook

NAMES = ("ann", "bob", "cem", "dan", "eva")
CLIPS = {f"clip-{n:02d}": 10.0 + n % 7 for n in range(20)}
PERSONS = {clip: {(1, number % 9), (1, number % 4)} for number, clip in enumerate(CLIPS)}


def given_out(standing, found, *, answered=()):
    """Where things stand when `found` was given out and some of it answered."""
    tasks = tuple(
        task._replace(is_answered=task.is_answered or task.annotator in answered)
        for task in (*standing.tasks, *found.tasks)
    )
    return Standing(standing.weights, standing.persons, tasks, gold=standing.gold)


wishes = st.builds(
    Wishes,
    annotators=st.lists(st.sampled_from(NAMES), min_size=2, unique=True).map(tuple),
    overlap=st.floats(0, 1),
    per_clip=st.sampled_from([None, 2]),
    seed=st.integers(0, 9),
    blind=st.sampled_from([0.0, 0.2, 1.0]),
    gold=st.sampled_from([0.0, 0.1, 0.5]),
)
standings = st.builds(
    Standing,
    weights=st.dictionaries(st.sampled_from(sorted(CLIPS)), st.integers(1, 90)),
    persons=st.just(PERSONS),
    tasks=st.just(
        tuple(Task(f"gold-{n}", "expert", "key", is_answered=True) for n in range(3))
    ),
    gold=st.just(frozenset({"gold-0", "gold-1", "gold-2"})),
)


@settings(deadline=None)
@given(standings, wishes)
def test_planning_twice_adds_nothing(standing, wish):
    found = draft(standing, wish)
    again = draft(given_out(standing, found), wish)
    assert again.tasks == ()


@settings(deadline=None)
@given(standings, wishes, wishes, st.sets(st.sampled_from(NAMES)))
def test_nobody_ever_gets_a_clip_twice_whatever_is_wished_later(standing, one, two, answered):
    stands = given_out(standing, draft(standing, one), answered=answered)
    more = draft(Standing(stands.weights | CLIPS, PERSONS, stands.tasks, gold=stands.gold), two)
    copies = [task[:2] for task in (*stands.tasks, *more.tasks)]
    assert len(set(copies)) == len(copies)
    assert {task.annotator for task in more.tasks} <= set(two.annotators)


@settings(deadline=None)
@given(standings, wishes, st.integers(0, 400))
def test_gold_and_blind_ones_fit_into_the_hours_but_for_a_clip_or_two(standing, wish, most):
    limited = Wishes(
        wish.annotators, wish.overlap, per_clip=wish.per_clip, seed=wish.seed,
        blind=wish.blind, gold=wish.gold, capacity={wish.annotators[0]: most * 10 / 3600},
    )  # fmt: skip
    found = draft(standing, limited)
    effort = effort_of(standing, found.tasks).get(wish.annotators[0], 0)
    slack = 2 * max(standing.weights.values(), default=0) + 2
    assert effort <= most + slack


@settings(deadline=None)
@given(standings, wishes)
def test_the_outlook_counts_what_is_given_out(standing, wish):
    found = draft(standing, wish)
    seen = outlook(standing, found, wish)
    assert sum(share.clips + share.gold for share in seen.shares) == len(found.tasks)
    assert sum(len(line.names) for line in seen.clips) == len(found.tasks)
    assert sum(share.hours for share in seen.shares) == pytest.approx(seen.hours)
    assert len(seen.meetings) == len(list(combinations(wish.annotators, 2)))
    assert seen.digest == draft(standing, wish).digest


def test_gold_checks_look_like_any_other_task():
    gold = frozenset({"gold-0", "gold-1"})
    keys = tuple(Task(clip, "expert", "key", is_answered=True) for clip in sorted(gold))
    standing = Standing(CLIPS | dict.fromkeys(gold, 12.0), PERSONS, keys, gold=gold)
    found = draft(standing, Wishes(("ann", "bob"), 0.0, gold=0.2, seed=1))
    places = [place for place, task in enumerate(found.tasks) if task.purpose == "check"]
    assert len(places) == 4
    assert places != list(range(18, 22))
    assert all(task.clip not in gold for task in found.tasks if task.purpose == "work")


def test_a_gold_clip_that_others_did_too_stays_in_the_plan():
    tasks = (Task("a", "ann", "key", is_answered=True), Task("a", "bob", is_answered=True))
    standing = Standing({"a": 5, "b": 5}, {}, tasks, gold=frozenset({"a"}))
    assert draft(standing, Wishes(("ann", "bob"), 0.5)).tasks[0].clip == "b"
    assert len(draft(standing, Wishes(("ann", "bob"), 0.5)).tasks) == 1


def test_work_taken_back_is_nobodys_load():
    tasks = (Task("a", "ann", is_unassigned=True), Task("b", "ann"))
    standing = Standing({"a": 5, "b": 7}, {}, tasks, lost={"a": 1})
    assert effort_of(standing, tasks) == {"ann": 7}
    found = draft(standing, Wishes(("ann", "bob"), 0))
    assert found.tasks == (Task("a", "bob"),)
    assert teams_of(found.tasks) == {"a": ("bob",)}


def test_a_clip_taken_back_that_nobody_else_can_do_waits():
    standing = Standing({"a": 5}, {}, (Task("a", "ann", is_unassigned=True),), lost={"a": 1})
    found = draft(standing, Wishes(("ann",), 0))
    assert (found.tasks, found.waiting) == ((), ("a",))


def test_blind_work_takes_longer():
    standing, wish = Standing({"a": 36}, {}), Wishes(("ann",), 0, blind=1.0)
    assert outlook(standing, draft(standing, wish), wish).hours == pytest.approx(0.2)


def test_the_outlook_names_pairs_that_never_meet_and_clips_that_wait():
    standing = Standing(CLIPS, PERSONS)
    wish = Wishes(NAMES, 0.05, per_clip=2, capacity=dict.fromkeys(NAMES, 0.05), gold=0.1)
    seen = outlook(standing, draft(standing, wish), wish)
    assert len(seen.strangers) == 9
    assert seen.waiting
    assert seen.gold_wanting
    assert [name for name, _ in seen.grid] == sorted(NAMES)


def test_blind_copies_with_nothing_to_compare_are_counted():
    standing, wish = Standing(CLIPS, PERSONS), Wishes(("ann", "bob"), 0, blind=0.5)
    assert outlook(standing, draft(standing, wish), wish).blind_alone == 10


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_of_gold_outside_0_to_1_is_refused(share):
    with pytest.raises(AssignmentError, match="share of gold clips"):
        draft(Standing({}, {}), Wishes(("ann",), 0, gold=share))


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

    @rule(wish=wishes)
    def plan(self, wish):
        standing = Standing(self.weights, {}, self.tasks, lost=self.lost())
        wish = replace(wish, annotators=tuple(self.people), gold=0.0)
        found = draft(standing, wish)
        waits = set(found.waiting)
        self.tasks += found.tasks
        counting = teams_of(task for task in self.tasks if task.counts)
        assert set(self.weights) == set(counting) | waits
        for clip, count in self.lost().items():
            had = {task.annotator for task in self.tasks if task.clip == clip}
            assert len({*self.people} - had) < count
        again = Standing(self.weights, {}, self.tasks, lost=self.lost())
        assert draft(again, wish).tasks == ()

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
