"""Checks of labels, boxes and proposals against their provenance: votes, drawers, the tracker.

Nothing here knows how the files were written.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import groupby
from statistics import median
from typing import Any, NamedTuple

from datasets.core.formats import ava
from datasets.core.untrusted import read_json, shown
from qc.core.release.checks.expectations import expect
from qc.core.release.checks.provenance_rows import (
    BOXES,
    LABELS,
    PROPOSALS,
    BoxOrigin,
    LabelOrigin,
    ProposalOrigin,
    label_origins,
    read_rows,
)
from qc.core.release.checks.vocabulary import vocabulary
from qc.core.release.reader import ReleaseReader, ReleaseReadError

STEP = 1.01 * 10.0**-ava.DECIMALS  # a box is rounded to this, relative to the frame
MAX_VOTES = 1 << 20  # bytes of the votes on one person
DECIDED_AGAINST, SHARE_AGAINST = 10, 0.05  # labels against all votes, above which it is odd
WITH_ALL_VOTES = 2  # `origins` of a manifest whose boxes have the votes of every group
OLD = "This release was made before it had a provenance of its boxes."
Faults = Iterator[str]
ProposalsAt = defaultdict[tuple[str, int], Counter[tuple[str, float]]]
PersonKey = tuple[str, int, int]  # video_id, timestamp, person
KnownBoxes = dict[PersonKey, tuple[str, list[int]]]  # box and drawers


class PlacedBox(NamedTuple):
    """The box of a person, and the row of the csv where it stands."""

    box: str
    row: str


def check_provenance(release: ReleaseReader) -> str:
    """Every label says where it came from, in the order of `AVA_dataset.csv`."""
    labels = release.together()
    count = sum(1 for _ in read_rows(release, LABELS, ["rule"]))

    def faults() -> Faults:
        if count != len(labels):
            yield f"{LABELS} has {count} rows for {len(labels)} labels"
            return
        both = zip(label_origins(release), labels, strict=True)
        for number, (row, (label, split)) in enumerate(both, start=1):
            its = (label.video_id, label.timestamp, label.person_id, label.action_id, split)
            if row[:5] != its:
                yield f"{LABELS} row {number} is not that of AVA_dataset.csv"
            elif not row.rule:
                yield f"{LABELS} row {number} does not say who decided"

    return expect(faults(), f"All {len(labels)} labels say where they came from.")


def check_votes(release: ReleaseReader) -> str:
    """Every label is what its votes, by the rule that decided, say."""
    if not release.manifest().get("origins"):
        return OLD
    names = {action.action_id: action.name for action in release.manifest_actions()}
    answers = {group.name: set(group.actions.values()) for group in vocabulary(release)}
    count = 0

    def faults() -> Faults:
        nonlocal count
        for _, of_one in groupby(label_origins(release), key=lambda row: row[:3]):
            rows = list(of_one)
            for row in rows:
                count += 1
                name = names.get(row.action_id, f"action {row.action_id}")
                given = {names.get(r.action_id, "") for r in rows if r.group == row.group}
                fault = _vote_fault(row, name, given, answers.get(row.group or ""))
                if answers and row.rule and row.group not in answers:
                    fault = f"is of the group {row.group}, which settings.json does not have"
                if fault:
                    yield (
                        f"{LABELS} row {count} ({row.video_id} at {row.timestamp}, "
                        f"{release.name_of(row.video_id, row.person_id)}) {fault}"
                    )

    found = [*faults(), *_lost_labels(release, names, answers)]
    return expect(found, f"All {count} labels are what their votes say.")


def _lost_labels(
    release: ReleaseReader, names: Mapping[int, str], answers: Mapping[str, set[str]]
) -> Faults:
    """Labels that votes decided for, and that no csv has."""
    if release.manifest().get("origins", 0) < WITH_ALL_VOTES:
        return
    given: dict[PersonKey, set[str]] = defaultdict(set)
    for split in release.splits:
        for label in release.labels(split):
            key = (label.video_id, label.timestamp, label.person_id)
            given[key].add(names.get(label.action_id, ""))
    fields = ("video_id", "timestamp", "person_id", "votes")
    rows = read_rows(release, BOXES, fields)
    for number, (video, at, person, text) in enumerate(rows, start=1):
        try:
            of_groups = read_json(text or "{}", max_bytes=MAX_VOTES)
            wanted = {
                (group, name)
                for group, its in of_groups.items()
                for name in _decided(its["rule"], as_votes(its["votes"], answers.get(group)))
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            yield f"{BOXES} row {number} has votes that cannot be read: {error!r:.60}"
            continue
        for group, name in sorted(wanted):
            if name not in given[video, at, person]:
                yield (
                    f"{release.name_of(video, person)} of {video} at {at} lacks the label "
                    f"{name}, for which the votes on {group} are ({BOXES} row {number})"
                )


def _decided(rule: str, votes: list[Any]) -> set[str]:
    """The actions for which votes decide by themselves; none for other rules."""
    if rule not in ("unanimous", "single", "majority"):
        return set()
    counts = Counter(
        name for vote in votes for name in (vote if isinstance(vote, list) else [vote])
    )
    if any(isinstance(vote, list) for vote in votes):
        found = {name for name, count in counts.items() if count > len(votes) / 2}
    else:
        most = max(counts.values(), default=0)
        first = [name for name, count in counts.items() if count == most]
        found = set(first) if len(first) == 1 else set()
    return found - {"unknown", "none"}


def _vote_fault(row: LabelOrigin, name: str, given: set[str], known: set[str] | None) -> str:
    """What is wrong with a label by its votes, empty if nothing is.

    Args:
        given: All actions that the person has of the same group.
        known: All actions of the group; a vote for another is none. None if they are not told.
    """
    try:
        votes = _counted(row.votes, known)
    except ValueError as error:
        return f"has votes that cannot be read: {error}"
    if fault := _contradicted(row, name, votes):
        return fault
    is_of_all = row.rule == "unanimous" and votes and isinstance(votes[0], list)
    all_of = set(votes[0]) - {"unknown", "none"} if is_of_all else set()
    missing = sorted(all_of - given)
    return f"has no label {missing[0]}, for which all votes are" if missing else ""


def _counted(votes: str | None, known: set[str] | None) -> list[Any]:
    """The votes that count; what a group of many does not have any more is left out of them."""
    return as_votes(read_json(votes or "{}", max_bytes=MAX_VOTES), known)


def as_votes(found: Any, known: set[str] | None) -> list[Any]:
    """The votes that count of those by annotator. Raises ValueError if they are no such."""
    if not isinstance(found, dict):
        raise ValueError(f"{found!r:.40} is not a vote of each annotator")
    cast = [vote for vote in found.values() if vote not in (None, "unset")]
    for vote in cast:
        if not all(
            isinstance(one, str) for one in (vote if isinstance(vote, list) else [vote])
        ):
            raise ValueError(f"{shown(vote)} is not an answer")
    if known is None:
        return cast
    kept = [[one for one in v if one in known] if isinstance(v, list) else v for v in cast]
    return [vote for vote in kept if isinstance(vote, list) or vote in {*known, "unknown"}]


def _contradicted(row: LabelOrigin, name: str, votes: list[Any]) -> str:
    """Why the votes cannot have led to this label; empty if they can.

    A reviewer may decide against all votes, and weights may turn them; else they decide.
    """
    chosen = [vote if isinstance(vote, list) else [vote] for vote in votes]
    named = sum(name in vote for vote in chosen)
    others = Counter(other for vote in chosen for other in vote if other != name)
    is_of_many = any(isinstance(vote, list) for vote in votes)
    most = len(votes) / 2 if is_of_many else max(others.values(), default=0)
    fits = {
        "adjudicated": True,
        "weighted": bool(votes),
        "unanimous": named == len(votes) > 0,
        "single": named == len(votes) == 1,
        "majority": named > most,
    }
    if fits.get(row.rule or "", False):
        return ""
    said = ", ".join(sorted({str(other) for vote in chosen for other in vote})) or "nothing"
    return f"is {name}, but of {len(votes)} votes {named} name it ({row.rule}: {said})"


def check_decisions(release: ReleaseReader) -> str:
    """Reviewers do not often decide against all votes where these agree."""
    known = {group.name: set(group.actions.values()) for group in vocabulary(release)}
    names = {action.action_id: action.name for action in release.manifest_actions()}
    against = count = 0
    example = ""
    for number, row in enumerate(label_origins(release), start=1):
        count += 1
        if row.rule != "adjudicated":
            continue
        try:
            votes = _counted(row.votes, known.get(row.group or ""))
        except ValueError:
            continue  # another check names it
        chosen = [vote if isinstance(vote, list) else [vote] for vote in votes]
        alike = len(chosen) > 1 and all(vote == chosen[0] for vote in chosen)
        if alike and names.get(row.action_id) not in chosen[0]:
            against += 1
            example = example or f"{LABELS} row {number}"
    is_often = against >= DECIDED_AGAINST and against > SHARE_AGAINST * count
    fault = (
        f"{against} of {count} labels are decided by a reviewer against all votes, such as "
        f"{example}: are these decisions of this dataset?"
    )
    said = f"{against} of {count} labels are decided against votes that agree."
    return expect([fault] if is_often else [], said)


def check_drawn_boxes(release: ReleaseReader) -> str:
    """Every person is where its annotators drew it, and nobody is missing or new."""
    if not release.manifest().get("origins"):
        return OLD
    known: KnownBoxes = {}
    places = persons_of(release)

    def faults() -> Faults:
        for number, row in enumerate(read_rows(release, BOXES, BoxOrigin._fields), start=1):
            origin = BoxOrigin(*row)
            known[origin[:3]] = (origin.box, origin.drawn_by)
            if fault := _origin_fault(origin, release):
                yield f"{BOXES} row {number} {fault}"
        for key, place in places.items():
            if fault := _box_fault(place, known.get(key)):
                who = release.name_of(key[0], key[2])
                yield f"{place.row} ({who} of {key[0]} at {key[1]}) {fault}"
        yield from _other_drawers(release, known)

    found = list(faults())
    return expect(found, f"All {len(places)} boxes are those that were drawn.")


def _origin_fault(origin: BoxOrigin, release: ReleaseReader) -> str:
    if origin[:3] not in persons_of(release):
        who = release.name_of(origin.video_id, origin.person_id)
        return f"has {who} at {origin.timestamp} of {origin.video_id}, no csv has"
    return "" if _is_median(origin, release) else "is not the median of what was drawn"


def _other_drawers(release: ReleaseReader, known: KnownBoxes) -> Faults:
    for number, label in enumerate(label_origins(release), start=1):
        if label.drawn_by != known.get(label[:3], ("", None))[1]:
            yield f"{LABELS} row {number} names other annotators than {BOXES}"


def _box_fault(place: PlacedBox, origin: tuple[str, list[int]] | None) -> str:
    if origin is None:
        return "is a person whom nobody drew"
    if origin[0] != place.box:
        return f"has the box {place.box}, the consensus was {origin[0]}"
    return ""


def _is_median(row: BoxOrigin, release: ReleaseReader) -> bool:
    """Whether a box is the median of those that were drawn; true where none is known."""
    video = release.videos().get(row.video_id)
    if video is None or row.is_decided or not row.drawn:
        return True
    sides = (video.width, video.height) * 2
    try:
        fused = [median(side) for side in zip(*row.drawn, strict=True)]
        wanted = [min(max(a / side, 0.0), 1.0) for a, side in zip(fused, sides, strict=True)]
        found = map(float, row.box.split(","))
        return all(abs(a - b) <= STEP for a, b in zip(wanted, found, strict=True))
    except (ValueError, TypeError):  # not four numbers
        return False


def check_tracked_boxes(release: ReleaseReader) -> str:
    """Proposals and their scores are those that the tracker gave."""
    if not release.manifest().get("origins"):
        return OLD
    given: ProposalsAt = defaultdict(Counter)
    for number, row in enumerate(
        read_rows(release, PROPOSALS, ProposalOrigin._fields), start=1
    ):
        origin = ProposalOrigin(*row)
        try:
            score = float(origin.score)
        except ValueError as error:
            raise ReleaseReadError(
                f"{PROPOSALS} row {number} has the score {shown(origin.score)}."
            ) from error
        given[origin.video_id, origin.timestamp][origin.box, score] += 1
    count = sum(len(release.predicted(split)) for split in release.splits)
    faults = (fault for s in release.splits for fault in _proposal_faults(release, s, given))
    return expect(faults, f"All {count} proposals are those that the tracker gave.")


def _proposal_faults(release: ReleaseReader, split: str, given: ProposalsAt) -> Faults:
    file = f"ava_{split}_predicted_boxes.csv"
    found: ProposalsAt = defaultdict(Counter)
    rows: dict[tuple[str, int], int] = {}
    for number, row in enumerate(release.predicted(split), start=1):
        found[row.video_id, row.timestamp][row.box, row.score] += 1
        rows.setdefault((row.video_id, row.timestamp), number)
    for key, boxes in found.items():
        if other := boxes - given.get(key, Counter()):
            box, score = min(other)
            yield (
                f"{file} row {rows[key]} and on ({key[0]} at {key[1]}) have the box {box} with "
                f"a score of {score}, which the tracker did not give"
            )
        elif given[key] - boxes:
            yield f"{file} lacks proposals of {key[0]} at {key[1]}"
    labelled = {label.video_id for label in release.labels("train")}
    for key in sorted(given.keys() - found.keys()):
        video = release.videos().get(key[0])
        if video and video.split == split and (split != "train" or key[0] in labelled):
            yield f"{file} has no proposal of {key[0]} at {key[1]}, but the tracker had"


def persons_of(release: ReleaseReader) -> dict[PersonKey, PlacedBox]:
    """The box of every person at every keyframe in the csv files, and its first row."""
    return release.once("rows of persons", lambda: _read_persons_of(release))


def _read_persons_of(release: ReleaseReader) -> dict[PersonKey, PlacedBox]:
    found: dict[PersonKey, PlacedBox] = {}
    for split in release.splits:
        for number, row in enumerate(release.labels(split), start=1):
            key = (row.video_id, row.timestamp, row.person_id)
            found.setdefault(key, PlacedBox(row.box, f"ava_{split}.csv row {number}"))
    for number, other in enumerate(release.unlabelled(), start=1):
        key = (other.video_id, other.timestamp, other.person_id)
        found.setdefault(key, PlacedBox(other.box, f"unlabelled_boxes.csv row {number}"))
    return found
