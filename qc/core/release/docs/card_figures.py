"""Figures of the card that say how far a result on a release can be believed.

Rare actions, slices of its boxes, what chance reaches, and how noisy labels are.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from datasets.core.action_groups import UNKNOWN, counts_as_vote
from datasets.core.formats.ava import AvaAction
from qc.core.release.baseline import TrainedBaseline
from qc.core.release.docs.markup import BarChart, Block, Heading, Items, TableBlock, Text
from qc.core.release.stats import CROWD_BANDS, SIZE_BANDS, ReleaseStats
from qc.core.release.writer import SplitCounts, evaluated_actions

Counts = Mapping[str, SplitCounts]


def actions_of(actions: Sequence[AvaAction], counts: Counts) -> list[Block]:
    """Labels of each action, the most frequent first; those without are named after them."""
    total = {a.action_id: sum(c.labels[a.action_id] for c in counts.values()) for a in actions}
    shown = sorted(
        (action for action in actions if total[action.action_id]),
        key=lambda action: (-total[action.action_id], action.action_id),
    )
    rows = [
        (f"{action.action_id} {action.name}", action.label_type.lower().replace("_", " "),
         *(its.labels[action.action_id] for its in counts.values()))
        for action in shown
    ]  # fmt: skip
    folded = [action.name for action in actions if not total[action.action_id]]
    more = f" {len(folded)} more have none: {', '.join(folded)}." if folded else ""
    return [
        Heading("Actions"),
        Text(f"Labels of each action: one per person and keyframe.{more}"),
        BarChart(("action", "labels"), [(one.name, total[one.action_id]) for one in shown]),
        TableBlock(("action", "kind", *counts), rows),
    ]


def rare_actions(
    actions: Sequence[AvaAction], counts: Counts, *, min_instances: int
) -> list[str]:
    """A sentence about the actions that are left out of the evaluation list."""
    if "val" not in counts:
        return []
    labels = counts["val"].labels
    rare = [one for one in actions if labels[one.action_id] < min_instances]
    kept = evaluated_actions(actions, labels, min_instances=min_instances)
    if not rare:
        return []
    names = ", ".join(f"{one.name} ({labels[one.action_id]})" for one in rare)
    if len(kept) == len(actions):
        return [
            f"No action has {min_instances} labels in val, so all are in the evaluation list, "
            "and a mean over them says little."
        ]
    return [
        f"Actions with fewer than {min_instances} labels in val are not in "
        f"`ava_action_list_for_activitynet.pbtxt` and are not measured by default: {names}."
    ]


def slices(stats: ReleaseStats, counts: Counts) -> list[Block]:
    """Boxes by their size and by how many persons are at the keyframe."""
    splits = list(counts)
    bands = [
        (f"{band} ({share} of the height)", *(stats.sizes[band, split] for split in splits))
        for band, share in zip(
            SIZE_BANDS, ("less than a quarter", "less than half", "half or more"), strict=True
        )
    ]
    crowds = [(band, *(stats.crowds[band, split] for split in splits)) for band in CROWD_BANDS]
    return [
        Text("Boxes by size, and by how many persons are at the keyframe, to measure apart:"),
        TableBlock(("boxes", *splits), [*bands, *crowds]),
    ]


def baselines(
    actions: Sequence[AvaAction],
    counts: Counts,
    oracle_aps: Mapping[str, float | None],
    trained: TrainedBaseline,
) -> list[Block]:
    """What a model reaches that knows nothing, a simple one, and one that knows all, by split.

    In perfect boxes, scores at random give an average precision that is, in expectation, the
    share of boxes with the action; so do constant scores, such as how often an action is in
    train. With the proposals' boxes it is less.
    """
    rows: list[tuple[str, ...]] = []
    for split, its in counts.items():
        shown = [its.labels[one.action_id] for one in actions if its.labels[one.action_id]]
        if not shown or not its.boxes:
            continue
        chance = sum(shown) / its.boxes / len(shown)
        oracle = oracle_aps.get(split)
        simple = trained.mean_ap if split == "val" else None
        rows.append((split, f"{chance:.3f}", *(
            "-" if value is None else f"{value:.3f}" for value in (simple, oracle)
        )))  # fmt: skip
    if not rows:
        return []
    return [
        Heading("Baselines"),
        Text(
            "Frame mAP at IoU 0.5. A model that scores at random, or by how often an action is "
            "in train, reaches the first in perfect boxes; one that names every action rightly "
            "reaches the last in the proposals' boxes."
        ),
        TableBlock(("split", "chance, class prior", "linear classifier", "oracle"), rows),
        Text(_about(trained)),
    ]


def _about(trained: TrainedBaseline) -> str:
    """What the trained model is, or why there is none."""
    if trained.mean_ap is None:
        return trained.reason or "No trained model is reported here."
    return (
        f"The linear classifier is ridge regression of every action on {trained.features} "
        "numbers of each box: its place and size, how far the next one is, how its pixels "
        "change within half a second, and its colours and edges. It learned from "
        f"{trained.boxes} boxes of train, with settings fixed beforehand, and was measured on "
        f"{trained.keyframes} keyframes of val in the proposals' boxes. A model of video "
        "should do better."
    )


def label_noise(actions: Sequence[AvaAction], stats: ReleaseStats) -> list[Block]:
    """How many votes were against the labels of each action."""
    rows = [
        (one.name, stats.votes[one.action_id], f"{100 * share:.1f} %")
        for one in actions
        if stats.votes[one.action_id]
        for share in [stats.dissent[one.action_id] / stats.votes[one.action_id]]
    ]
    if not rows:
        return []
    return [
        Heading("Label noise"),
        Text(
            "Of the votes on labels that two or more annotators answered, the share that is "
            "for something else. It bounds from above how often the label is wrong where the "
            "majority is right; `share` in `provenance.parquet` has it row by row."
        ),
        TableBlock(("action", "votes", "against the label"), rows),
    ]


class GoldCount(NamedTuple):
    """Votes on persons of gold clips, about one action."""

    right: int = 0  # named, as it should be
    missed: int = 0
    wrong: int = 0  # named, and should not be


def count_gold(units: Iterable[tuple[Mapping[str, Any], Any]]) -> dict[str, GoldCount]:
    """Votes by action, out of the answers to persons whose right answers are known.

    Args:
        units: Answers by annotator, and the known one: an action, or a list of them.

    >>> counts = count_gold([({"#1": "walk", "#2": "sit", "#3": "unset"}, "walk")])
    >>> [(name, *its) for name, its in counts.items()]
    [('sit', 0, 0, 1), ('walk', 1, 1, 0)]
    """
    right: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for votes, known in units:
        if not counts_as_vote(known):
            continue
        wanted = _named(known)
        for vote in votes.values():
            if not counts_as_vote(vote):
                continue
            given = _named(vote)
            right.update(wanted & given)
            missed.update(wanted - given)
            wrong.update(given - wanted)
    names = sorted(right.keys() | missed.keys() | wrong.keys())
    return {name: GoldCount(right[name], missed[name], wrong[name]) for name in names}


def _named(answer: Any) -> set[str]:
    return set([answer] if isinstance(answer, str) else answer) - {UNKNOWN}


def gold_noise(actions: Sequence[AvaAction], gold: Mapping[str, GoldCount]) -> list[Block]:
    """How often single votes on gold clips name an action that is not there, or miss one."""
    rows = []
    for action in actions:
        right, missed, wrong = gold.get(action.name, GoldCount())
        if right + missed + wrong:
            rows.append(
                (action.name, right + wrong, _share(wrong, right + wrong), right + missed,
                 _share(missed, right + missed))
            )  # fmt: skip
    if not rows:
        return [
            Text("No gold clip was answered, so labels were not held against known answers.")
        ]
    return [
        Text(
            "Against known answers, on gold clips: of the votes for an action the share that "
            "is wrong, and of the votes on persons who do it the share that misses it. These "
            "are single votes; a label on several votes is wrong less often."
        ),
        TableBlock(("action", "votes for it", "wrong", "votes due", "missed"), rows),
    ]


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def errata(taken_out: Sequence[Mapping[str, str]]) -> list[Block]:
    """What earlier releases held and this one does not, and why."""
    if not taken_out:
        return []
    return [
        Heading("Errata"),
        Items(
            [
                f"{one['what']} was taken out on {one['at']}: {one['reason']} Earlier releases "
                "that hold it are no longer passed on; delete your copies of them."
                for one in taken_out
            ]
        ),
    ]
