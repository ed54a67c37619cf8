"""What must and what must not change a figure, over every figure of a dataset.

Figures are found by walking the records that pages, cards and CSV files are made from, so that
a new figure is tested when it is added.
"""

from dataclasses import fields, is_dataclass

import numpy as np
import pytest

from datasets.core.action_groups import ActionGroupSpec
from qc.core.agreement.clip_agreement import compare_clip
from qc.core.agreement.figures import ClipFigures, Figure
from qc.core.agreement.pooling import Pool
from qc.core.consensus.identity import DrawnBoxes

NAMES = ("ann", "bob", "eve")
ACTIONS = ("stand", "walk", "sit", "run")
CLIPS, PERSONS, KEYFRAMES = 24, 3, 8
OVER_TIME = ("flicker", "unedited")  # of one annotator, no agreement
NOT_OF_ALL = "answered"
CORRECTED = (
    "alpha", "kappa", "fleiss", "alpha_giou", "alpha_centre", "segment_alpha",
    "within 0 s", "within 1 s", "within 2 s", "within 3 s",
)  # fmt: skip
OF_BOXES = ("boxes", "box_chance")
UNDEFINED = {
    "only one category was used",
    "nobody chose an action that another could have chosen",
    "nothing was kept on the label page",
    "no pre-drawn box was left on the label page with a known time",
}


def groups(actions=ACTIONS):
    return [
        ActionGroupSpec("posture", "one", True, tuple(actions), 1),
        ActionGroupSpec("doing", "many", False, ("wave", "carry"), 2),
    ]


def made(*, seed=1, slips=0.25, jitter=4.0):
    """Of each clip: boxes and answers of every annotator, person and keyframe."""
    random = np.random.default_rng(seed)
    shape = (CLIPS, PERSONS, KEYFRAMES)
    held = np.repeat(random.integers(0, 4, (CLIPS, PERSONS, 2)), KEYFRAMES // 2, axis=2)
    sets = np.repeat(random.integers(0, 4, (CLIPS, PERSONS, 2)), KEYFRAMES // 2, axis=2)
    answers, boxes = [], []
    place = np.random.default_rng(seed + 1).uniform(0, 600, (CLIPS, 1, 1))
    for _ in NAMES:
        wrong, instead = random.random(shape) < slips, random.integers(0, 4, (2, *shape))
        answers.append(
            np.stack([np.where(wrong, instead[0], held), np.where(wrong, instead[1], sets)])
        )
        left = (
            place + 150.0 * np.arange(PERSONS)[None, :, None] + random.normal(0, jitter, shape)
        )
        boxes.append(left)
    return np.array(answers), np.array(boxes)  # (annotators, 2, ...), (annotators, ...)


def identical(answers, boxes):
    return np.repeat(answers[:1], 3, axis=0), np.repeat(boxes[:1], 3, axis=0)


def shuffled(answers, *, seed=2):
    """Each annotator's answers to whole persons, handed to others."""
    random = np.random.default_rng(seed)
    mixed = []
    for one in answers:
        flat = one.reshape(2, CLIPS * PERSONS, KEYFRAMES)
        mixed.append(flat[:, random.permutation(CLIPS * PERSONS)].reshape(one.shape))
    return np.array(mixed)


def compared(
    answers, boxes, *, names=NAMES, actions=ACTIONS, persons=None, clips=None, pool=None
):
    """A pool of the clips."""
    specs = groups(actions)
    pool = pool or Pool(specs)
    of_sets = [[], ["wave"], ["carry"], ["wave", "carry"]]
    for clip in range(CLIPS) if clips is None else clips:
        rows, said, lefts = [], [], []
        for who in range(len(names)):
            for person in range(PERSONS) if persons is None else persons:
                for second in range(KEYFRAMES):
                    posture, doing = answers[who, :, clip % CLIPS, person, second]
                    rows.append((second, who, person, person + 1))
                    said.append({"posture": actions[posture], "doing": of_sets[doing]})
                    lefts.append(boxes[who, clip % CLIPS, person, second])
        places, left = np.array(rows, dtype=np.int64), np.array(lefts)
        top = np.full(len(rows), 50.0)
        sides = np.stack([left, top, left + 60, top + 200], axis=1)
        drawn = DrawnBoxes(places[:, 0] + 2, places[:, 1], places[:, 2], places[:, 3], sides)
        report = compare_clip(drawn, said, list(names), specs).to_json()
        pool.add(clip // 6, f"clip-{clip}", ClipFigures.from_json(report))
    return pool


def figures_in(record, path=()):
    """Every figure in a record with its path: fields, groups, actions, annotators, clips."""
    if isinstance(record, Figure):
        yield path, record
        return
    parts = []
    if is_dataclass(record):
        parts = [(one.name, getattr(record, one.name)) for one in fields(record)]
    elif isinstance(record, dict):
        parts = record.items()
    elif isinstance(record, list):
        parts = [(named(one), one) for one in record]
    for name, one in parts:
        yield from figures_in(one, (*path, name))


def named(record):
    """What tells a record from others of its list."""
    if hasattr(record, "a"):
        return f"{record.a}, {record.b}"
    return getattr(record, "name", None) or getattr(record, "clip", "")


def all_figures(pool):
    """Every figure of a dataset, its pairs, annotators, clips, and anchoring."""
    found = {
        "dataset": pool.figures(),
        "pairs": list(pool.pairs()),
        "annotators": list(pool.by_annotator()),
        "clips": pool.listed,
        "anchoring": pool.anchoring(),
    }
    return dict(figures_in(found))


def of_agreement(pool):
    kept = {
        path: one
        for path, one in all_figures(pool).items()
        if path[-1] not in OVER_TIME and "anchoring" not in path  # nobody worked blind here
    }
    assert len(kept) > 200
    return kept


@pytest.fixture(scope="module")
def work():
    return made()


@pytest.fixture(scope="module")
def usual(work):
    return of_agreement(compared(*work))


def test_identical_annotators_agree_perfectly_or_say_why_not(work):
    found = of_agreement(compared(*identical(*work)))
    values = {path: one for path, one in found.items() if one.value is not None}
    assert len(values) > 0.9 * len(found)
    assert {path for path, one in values.items() if one.value != 1.0} == set()
    assert {one.reason for one in found.values() if one.value is None} <= UNDEFINED | {
        "no unit was rated by two or more", "no unit was rated by three or more",
    }  # fmt: skip
    assert {
        path for path, one in found.items() if one.interval not in (None, (1.0, 1.0))
    } == set()


def test_nobody_agrees_perfectly_who_errs(usual):
    assert {path for path, one in usual.items() if one.value == 1.0} <= {
        path for path in usual if set(path) & {*OF_BOXES, "clips"}
    }


def test_identical_annotators_with_one_answer_are_undefined_where_chance_is(work):
    answers, boxes = identical(*work)
    found = of_agreement(compared(np.zeros_like(answers), boxes))
    for path, one in found.items():
        if path[-1] in (*CORRECTED, "ac1") and "box_chance" not in path:
            assert one.value is None, path
            assert one.reason
        elif path[-1] == "percent":
            assert one.value == 1.0 or one.units == 0, path


def test_answers_shuffled_between_persons_agree_by_chance_alone(work):
    answers, boxes = made(slips=0.0)
    found = of_agreement(compared(shuffled(answers), boxes))
    corrected = {
        path: one
        for path, one in found.items()
        if path[-1] in CORRECTED and not set(path) & {*OF_BOXES}
    }
    inside = [
        one.interval[0] <= 0 <= one.interval[1] for one in corrected.values() if one.interval
    ]
    assert len(inside) > 40
    assert np.mean(inside) > 0.9
    for path, one in corrected.items():
        if "clips" not in path:
            assert one.value is None or abs(one.value) < 0.2, path


def shuffled_boxes(boxes, *, seed):
    """Each annotator's keyframes in another order: their boxes have nothing in common."""
    random = np.random.default_rng(seed)
    by_keyframe = boxes.transpose(0, 1, 3, 2).reshape(len(NAMES), -1, PERSONS)
    mixed = np.array([one[random.permutation(len(one))] for one in by_keyframe])
    return mixed.reshape(len(NAMES), CLIPS, KEYFRAMES, PERSONS).transpose(0, 1, 3, 2)


def test_boxes_shuffled_between_keyframes_agree_by_chance_alone(work):
    answers, boxes = work
    usual = compared(answers, boxes).figures().box_chance
    worlds = [
        compared(answers, shuffled_boxes(boxes, seed=seed)).figures().box_chance
        for seed in range(8)
    ]
    inside = []
    for name, by_chance in (
        ("alpha_giou", 0), ("alpha_centre", 0), ("sigma_giou", 0.05), ("sigma_centre", 0.05),
    ):  # fmt: skip
        found = [getattr(world, name) for world in worlds]
        inside += [one.interval[0] <= by_chance <= one.interval[1] for one in found]
        assert abs(np.mean([one.value for one in found]) - by_chance) < 0.05, name
        assert getattr(usual, name).value > 0.8, name
    assert np.mean(inside) > 0.8


def test_the_order_of_clips_persons_and_annotators_changes_nothing(work, usual):
    answers, boxes = work
    other = compared(
        answers[::-1], boxes[::-1], names=NAMES[::-1], persons=[2, 0, 1],
        clips=[*range(CLIPS)][::-1],
    )  # fmt: skip
    found = {as_before(path, {}): one for path, one in of_agreement(other).items()}
    assert_equal(found, usual)


def test_a_pair_is_the_same_whoever_a_report_names_first(work, usual):
    pool = compared(*work, clips=range(CLIPS // 2))
    compared(
        *(one[::-1] for one in work), names=NAMES[::-1], clips=range(CLIPS // 2, CLIPS),
        pool=pool,
    )  # fmt: skip
    found = {as_before(path, {}): one for path, one in of_agreement(pool).items()}
    assert_equal(found, usual)


def test_names_change_nothing(work, usual):
    renamed = dict(zip(NAMES, ("zoe", "amy", "max"), strict=True))
    called = {"stand": "zigzag", "walk": "amble", "sit": "rest", "run": "dash"}
    found = of_agreement(
        compared(*work, names=tuple(renamed.values()), actions=tuple(called.values()))
    )
    back = {new: old for old, new in (renamed | called).items()}
    assert_equal({as_before(path, back): one for path, one in found.items()}, usual)


def as_before(path, back):
    """The path with the old names; those of a pair in their order."""
    return tuple(
        ", ".join(sorted(back.get(part, part) for part in one.split(", ")))
        if isinstance(one, str)
        else one
        for one in path
    )


def assert_equal(found, usual):
    assert found.keys() == usual.keys()
    for path, one in found.items():
        other = usual[path]
        assert (one.reason, one.units, one.no_interval) == (
            other.reason, other.units, other.no_interval,
        ), path  # fmt: skip
        assert one.value == pytest.approx(other.value, abs=2e-6), path
        assert one.interval == (other.interval and pytest.approx(other.interval, abs=2e-5)), (
            path
        )


def test_all_clips_twice_leave_the_values_and_make_intervals_narrower(work, usual):
    twice = of_agreement(compared(*work, clips=range(2 * CLIPS)))
    ratios = []
    for path, one in usual.items():
        other = twice[path]
        if "clips" in path:
            continue
        assert other.units == 2 * one.units, path
        if one.value is not None:
            by_clips = set(path) & {"box_chance", "segment_alpha", "by_seconds"}
            near = 1 / CLIPS if by_clips else 1 / one.units  # chance is what clips have alike
            assert other.value == pytest.approx(one.value, abs=near), path
        if one.interval and other.interval:
            ratios.append(np.ptp(one.interval) / np.ptp(other.interval))
    assert len(ratios) > 100
    assert np.median(ratios) == pytest.approx(2**0.5, rel=0.1)


def test_without_one_annotator_the_others_keep_their_figures(work, usual):
    answers, boxes = work
    found = of_agreement(compared(answers[:2], boxes[:2], names=NAMES[:2]))
    pair = {path: one for path, one in found.items() if path[0] == "pairs"}
    assert pair
    assert_equal(pair, {path: one for path, one in usual.items() if path in pair})
    for path, one in found.items():  # the pair is all there is now
        if path[:2] == ("dataset", "boxes"):
            assert one == found["pairs", "ann, bob", "boxes", path[-1]]
        if path[:2] == ("dataset", "groups") and path[-1] in ("alpha", "percent", "ac1"):
            same = ("pairs", "ann, bob", *path[1:])
            if same in found:
                assert one == found[same]
