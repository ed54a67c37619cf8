"""Checks of what a release cannot be, whatever its other files say.

Limits of the vocabulary, persons that readers would take as one, keyframes that are missing,
splits too small to measure with, identities and scores against their meaning. Nothing here
knows how the files were written.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.core.formats import ava
from qc.core.release.checks.expectations import expect
from qc.core.release.checks.proposals import persons_at, proposals_at
from qc.core.release.oracle_ap import overlaps
from qc.core.release.reader import ReleaseReader
from qc.core.release.records import PERSON, coarse_box

FPS = 30
FEW_KEYFRAMES = 20  # of a release, below which a split of one keyframe is no surprise
DECISIVE = 30  # pairs of persons from which on identities are judged
WRONG_SHARE = 0.25  # how far above chance persons must keep their ids
SCORED = 10  # right and wrong proposals from which on scores are judged
WORSE_THAN_CHANCE = 0.25  # of the area under the ROC curve, where 0.5 is chance
SAME_PERSON_IOU = 0.5
COUNTED = ("videos", "clips", "frames", "keyframes", "excluded", "persons", "boxes", "labels")
Faults = Iterator[str]
Place = tuple[str, int]  # video_id, timestamp


def check_near_boxes(release: ReleaseReader) -> str:
    """No two persons of a keyframe have boxes that agree to two decimals."""

    def faults() -> Faults:
        for split in release.splits:
            for (video, at), persons in persons_at(release, split).items():
                seen: dict[tuple[str, ...], int] = {}
                for person in persons:
                    other = seen.setdefault(coarse_box(person.box), person.person_id)
                    if other != person.person_id:
                        both = _both(release, video, other, person.person_id)
                        yield (
                            f"{both} of {video} at {at} ({split}) have nearly the same box "
                            f"{person.box}: pytorchvideo takes them as one"
                        )

    return expect(faults(), "No two persons of a keyframe have nearly the same box.")


def _both(release: ReleaseReader, video: str, first: int, second: int) -> str:
    """Two of a clip in a sentence."""
    if {release.class_of(video, one) for one in (first, second)} == {PERSON}:
        return f"persons {first} and {second}"
    return f"{release.name_of(video, first)} and {release.name_of(video, second)}"


def check_coverage(release: ReleaseReader) -> str:
    """Every second of a clip that can be a keyframe is one, annotated or excluded."""
    listed: dict[str, list[int]] = defaultdict(list)
    for video, at in release.statuses():
        listed[video].append(at)
    facts = {one.get("video_id"): one for one in release.manifest().get("videos", [])}

    def faults() -> Faults:
        for name, video in release.videos().items():
            found = sorted(listed[name])
            for before, after in pairwise(found):
                if after - before > 1:
                    yield (
                        f"manifest.json has no keyframe of {name} between {before} and {after}"
                    )
            wanted = keyframes_of(facts[name], video.n_frames)
            for at in sorted(wanted - set(found)):
                yield f"manifest.json has no keyframe {at} of {name}, annotated or excluded"

    return expect(faults(), f"All keyframes of {len(listed)} clips are listed.")


def keyframes_of(facts: dict[str, Any], n_frames: int) -> set[int]:
    """The timestamps at which a clip has keyframes; empty where the manifest does not tell.

    Args:
        facts: A video of the manifest, with the clip's own `clip_frames` after `pad_seconds`.

    >>> sorted(keyframes_of({"pad_seconds": 0, "clip_frames": 150}, 150))
    [902, 903]
    """
    pad, frames = facts.get("pad_seconds"), facts.get("clip_frames")
    if not isinstance(pad, int) or not isinstance(frames, int):
        return set()
    seconds = range(pad, pad + -(-frames // FPS))
    return {900 + s for s in seconds if s >= 2 and FPS * s + FPS * 3 // 2 <= n_frames}


def check_split_sizes(release: ReleaseReader) -> str:
    """Val and test have more than one keyframe, if the release is not tiny itself."""
    return expect(_small_splits(release), "Val and test are large enough to measure on.")


def _small_splits(release: ReleaseReader) -> Faults:
    splits = {name: video.split for name, video in release.videos().items()}
    counts = Counter(splits[video] for video, _ in release.keyframes("annotated"))
    for split in ("val", "test"):
        if counts[split] == 1 and counts.total() >= FEW_KEYFRAMES:
            yield (
                f"{split} has 1 of {counts.total()} annotated keyframes: nothing can be "
                "measured on it"
            )


def check_counts(release: ReleaseReader) -> str:
    """The figures of the manifest and of the card are those of the files."""
    found = counts_of_files(release)
    said = release.manifest().get("counts")
    if said is None:
        return "This release was made before its manifest had counts."

    def faults() -> Faults:
        for split, counts in found.items():
            for name, count in counts.items():
                claim = said.get(split, {}).get(name)
                if claim != count:
                    yield f"manifest.json counts {claim} {name} in {split}, the files {count}"
            labels = Counter(str(row.action_id) for row in release.labels(split))
            claims = said.get(split, {}).get("actions", {})
            for action in sorted(
                labels.keys() | claims.keys(), key=lambda key: (len(key), key)
            ):
                if labels[action] != claims.get(action, 0):
                    yield (
                        f"manifest.json counts {claims.get(action, 0)} labels of action "
                        f"{action} in {split}, ava_{split}.csv has {labels[action]}"
                    )
        yield from _card_faults(release, found)

    return expect(faults(), "The counts of the manifest and the card are those of the files.")


def counts_of_files(release: ReleaseReader) -> dict[str, dict[str, int]]:
    """What each split holds, counted in its files."""
    videos = release.videos()
    found = {}
    for split in release.splits:
        its = [video for video in videos.values() if video.split == split]
        persons = {
            (videos[video].source_video, person.person_id)
            for (video, _), at in persons_at(release, split).items() if video in videos
            for person in at
        }  # fmt: skip
        found[split] = {
            "videos": len({video.source_video for video in its}),
            "clips": len(its),
            "frames": sum(video.n_frames for video in its),
            "keyframes": _count(release.keyframes("annotated"), {v.video_id for v in its}),
            "excluded": _count(release.keyframes("excluded"), {v.video_id for v in its}),
            "persons": len(persons),
            "boxes": sum(map(len, persons_at(release, split).values())),
            "labels": len(release.labels(split)),
        }
    return found


def _count(keyframes: Iterable[Place], videos: set[str]) -> int:
    return sum(video in videos for video, _ in keyframes)


def _card_faults(release: ReleaseReader, found: dict[str, dict[str, int]]) -> Faults:
    """What the table of contents of `README.md` says otherwise."""
    head: list[str] = []
    for line in release.words("README.md").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if "keyframes" in cells and "clips" in cells and cells[0] == "":
            head = cells
        elif head and cells[0] in found:
            for name, cell in zip(head[1:], cells[1:], strict=False):
                if name in COUNTED and cell != str(found[cells[0]][name]):
                    yield (
                        f"README.md says {cell} {name} in {cells[0]}, the files have "
                        f"{found[cells[0]][name]}"
                    )
        elif head and not line.startswith("|"):
            return


def check_identities(release: ReleaseReader) -> str:
    """A person's number stays with the person from one second to the next."""
    kept = decisive = 0
    chance = 0.0
    example = ""
    for split in release.splits:
        at = persons_at(release, split)
        for (video, second), before in sorted(at.items()):
            after = {person.person_id: person.box for person in at.get((video, second + 1), [])}
            both = [person for person in before if person.person_id in after]
            if len(both) < 2:
                continue
            ids = [person.person_id for person in both]
            here = _centres([person.box for person in both])
            there = _centres([after[number] for number in ids])
            apart = np.linalg.norm(here[:, None] - there[None], axis=2)
            for row, number in enumerate(ids):
                nearest = ids[int(apart[row].argmin())]
                decisive, chance = decisive + 1, chance + 1 / len(ids)
                kept += nearest == number
                if nearest != number and not example:
                    example = (
                        f"{release.name_of(video, number)} of {video} at {second} is {nearest} "
                        "a second on"
                    )

    def faults() -> Faults:
        least = chance + WRONG_SHARE * (decisive - chance)
        if decisive >= DECISIVE and kept < least:
            yield (
                f"person ids jump between people: only {kept} of {decisive} stay with the "
                f"nearest box a second later ({example})"
            )

    return expect(faults(), f"Of {decisive} persons {kept} keep their id by where they are.")


def _centres(boxes: list[str]) -> NDArray[np.float64]:
    corners = np.stack([ava.parse_box(box) for box in boxes])
    return (corners[:, :2] + corners[:, 2:]) / 2


def check_scores(release: ReleaseReader) -> str:
    """Proposals that show a person have better scores than those that do not."""
    right: list[float] = []
    wrong: list[float] = []
    for split in release.splits:
        persons = persons_at(release, split)
        for key, proposed in proposals_at(release, split).items():
            iou = overlaps(proposed, persons.get(key, []))
            for number, proposal in enumerate(proposed):
                hits = iou.shape[1] > 0 and iou[number].max() >= SAME_PERSON_IOU
                (right if hits else wrong).append(proposal.score)

    def faults() -> Faults:
        if min(len(right), len(wrong)) < SCORED:
            return
        auc = _area_under_roc(np.array(right), np.array(wrong))
        if auc < WORSE_THAN_CHANCE:
            yield (
                f"the scores of proposals are upside down: {len(wrong)} that show nobody have "
                f"better ones than {len(right)} that show a person (AUC {auc:.2f})"
            )
        elif len(set(right) | set(wrong)) == 1 and not _is_scoreless(release):
            yield f"all {len(right) + len(wrong)} proposals have the same score {right[0]}"

    return expect(faults(), "The scores of proposals rank persons above other boxes.")


def _is_scoreless(release: ReleaseReader) -> bool:
    """Whether the tracker itself gave one score to all, as imported boxes have."""
    return bool(release.manifest().get("origins"))  # then held against the tracker's own


def _area_under_roc(right: NDArray[np.float64], wrong: NDArray[np.float64]) -> float:
    """The chance that a right one scores above a wrong one; ties count half."""
    wrong = np.sort(wrong)
    below = np.searchsorted(wrong, right, side="left")
    upto = np.searchsorted(wrong, right, side="right")
    return float((below + upto).mean() / 2 / len(wrong))
