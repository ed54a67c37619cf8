"""The check of any folder in AVA format: what it is, who reads it, and what is wrong.

A manifest of ours is not needed. Each consumer is told by what it needs, and by the faults at
which it stops or that mislead it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from qc.core.ava_folder.discovery import AvaFolder, FrameFolder, discover, split_of
from qc.core.ava_folder.faults import (
    CONSUMERS,
    EVALUATOR,
    MMACTION2,
    PYTORCHVIDEO,
    SLOWFAST,
    TRAINERS,
    DatasetFault,
    FaultLog,
    named,
)
from qc.core.ava_folder.label_rows import START, Key, RowFacts, read_labels, read_predicted
from qc.core.ava_folder.lists import (
    FrameListFacts,
    read_action_list,
    read_exclusions,
    read_frame_list,
    read_proposals,
)

FPS = 30
WINDOW = 45  # frames that the widest stock sampling wants after a keyframe
AVA_ACTIONS = 80
FOR_EVALUATOR = ("activitynet", "kinetics")  # names of files with empty keyframes


class ConsumerVerdict(NamedTuple):
    """What one consumer does with the folder."""

    consumer: str
    word: str  # "reads it", "misreads it", "stops" or "lacks files"
    sentence: str


@dataclass
class FolderReport:
    """The result of the check.

    `summary` and `hints` are sentences; hints hold what is no fault, such as a number of
    classes that a configuration must say.
    """

    title: str = ""
    summary: list[str] = field(default_factory=list)
    verdicts: list[ConsumerVerdict] = field(default_factory=list)
    faults: list[DatasetFault] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)


@dataclass
class _Facts:
    labels: dict[str, RowFacts] = field(default_factory=dict)
    predicted: dict[str, RowFacts] = field(default_factory=dict)
    frame_lists: dict[str, FrameListFacts] = field(default_factory=dict)
    actions: dict[str, dict[int, str]] = field(default_factory=dict)
    excluded: dict[str, set[Key]] = field(default_factory=dict)
    proposals: dict[str, frozenset[str]] = field(default_factory=dict)

    @property
    def known(self) -> dict[int, str]:
        """The actions of all action lists."""
        return {key: name for one in self.actions.values() for key, name in one.items()}


def check_folder(root: Path) -> FolderReport:
    """Check the folder `root`; one without labels gets a report that says so."""
    folder, log, facts = discover(root), FaultLog(), _Facts()
    for name in folder.labels:
        facts.labels[name] = read_labels(root / name, name, log, for_evaluator=False)
    for name in folder.evaluation:
        is_meant = any(word in name.lower() for word in FOR_EVALUATOR)
        facts.labels[name] = read_labels(root / name, name, log, for_evaluator=is_meant)
    for name in folder.predicted:
        facts.predicted[name] = read_predicted(root / name, name, log)
    for name in folder.actions:
        facts.actions[name] = read_action_list(root / name, name, log)
    for name in folder.frame_lists:
        facts.frame_lists[name] = read_frame_list(root / name, name, log)
    for name in folder.exclusions:
        facts.excluded[name] = read_exclusions(root / name, name, log)
    for name in folder.pickles:
        facts.proposals[name] = read_proposals(root / name, name, log).keyframes
    _check_actions(facts, log)
    _check_splits(facts, log)
    _check_listed(facts, log)
    _check_frames(folder, facts, log)
    _check_proposals(facts, log)
    report = FolderReport(_title(folder, facts), _summary(folder, facts))
    report.faults = log.faults()
    report.verdicts = [_verdict(one, folder, report.faults) for one in CONSUMERS]
    report.hints = _hints(folder, facts)
    return report


def _check_actions(facts: _Facts, log: FaultLog) -> None:
    if not facts.known:
        return
    for name, its in facts.labels.items():
        for action in sorted(its.actions.keys() - facts.known.keys()):
            log.add(
                "unknown", name, f"the action {action} is in no action list",
                "Add it to the action list, or remove its rows: they are trained and never "
                "measured.", misleads=[MMACTION2, EVALUATOR, SLOWFAST],
            )  # fmt: skip


def _check_splits(facts: _Facts, log: FaultLog) -> None:
    videos: dict[str, dict[str, str]] = {}
    for name, its in facts.labels.items():
        if split := split_of(name):
            for video in its.videos:
                videos.setdefault(video, {})[split] = name
    shared = {video: names for video, names in videos.items() if len(names) > 1}
    for video in sorted(shared):
        both = " and ".join(sorted(shared[video]))
        log.add(
            "leak", min(shared[video].values()), f"the video {video} is in {both}",
            "Keep a video in one split: what was trained on cannot measure.",
            misleads=CONSUMERS,
        )  # fmt: skip
    _check_trained(facts, log)


def _check_trained(facts: _Facts, log: FaultLog) -> None:
    trained: set[int] = set()
    for name, its in facts.labels.items():
        if split_of(name) == "train":
            trained.update(its.actions)
    for name, its in facts.labels.items():
        new = its.actions.keys() - trained
        if trained and new and split_of(name) in ("val", "test"):
            log.add(
                "untrained", name, f"it has actions that train never shows: {_ids(new)}",
                "Move a video that shows them into train, or remove them.",
                misleads=[EVALUATOR],
            )  # fmt: skip


def _check_listed(facts: _Facts, log: FaultLog) -> None:
    """SlowFast stops at a video that is listed without boxes, pytorchvideo at the reverse.

    Of several lists of a split, such as one for each of the two, the best counts.
    """
    lists: dict[str, list[FaultLog]] = {}
    for name, listed in facts.frame_lists.items():
        split, found = split_of(name), FaultLog()
        boxed = _videos([facts.labels, facts.predicted], split)
        labelled = _videos([facts.labels], split) if split else set()
        if not boxed:
            continue
        if unboxed := listed.videos.keys() - boxed:
            found.add(
                "unboxed", name, f"{named(unboxed)} listed, but without a box anywhere",
                "Remove their rows.", stops=[SLOWFAST],
            )  # fmt: skip
        if unlisted := labelled - listed.videos.keys():
            found.add(
                "unlisted", name, f"{named(unlisted)} labelled, but not listed",
                "List every frame of every labelled video.", stops=[PYTORCHVIDEO],
                misleads=[SLOWFAST],
            )  # fmt: skip
        for file, its in facts.labels.items():
            if split and split_of(file) == split:
                _check_lengths(name, listed, its, found)
        lists.setdefault(split, []).append(found)
    for logs in lists.values():
        log.extend(min(logs, key=lambda one: len(one.faults())))


def _videos(sources: Iterable[dict[str, RowFacts]], split: str) -> set[str]:
    """The videos in files of a split, and in files of none."""
    return {
        video
        for files in sources
        for file, its in files.items()
        if split_of(file) in (split, "") or not split
        for video in its.videos
    }


def _check_lengths(name: str, listed: FrameListFacts, labels: RowFacts, log: FaultLog) -> None:
    for video, (_, last) in labels.videos.items():
        frame = (last - START) * FPS
        if 0 < listed.videos.get(video, 0) <= frame and last >= START:
            log.add(
                "short", name, f"{video} has {listed.videos[video]} frames listed, but its "
                f"keyframe {last} is frame {frame}",
                "Extract frames at 30 per second, from second 900 on.",
                stops=[SLOWFAST, PYTORCHVIDEO],
            )  # fmt: skip


def _check_frames(folder: AvaFolder, facts: _Facts, log: FaultLog) -> None:
    if not folder.frames:
        return
    videos: dict[str, int] = {}
    for its in facts.labels.values():
        for video, (_, last) in its.videos.items():
            videos[video] = max(last, videos.get(video, 0))
    if missing := videos.keys() - folder.frames.keys():
        log.add(
            "missing", "frames", f"there is no folder of frames for {named(missing)}",
            "Call the folder of a video's frames as the video.", stops=TRAINERS,
        )  # fmt: skip
    for video in sorted(videos.keys() & folder.frames.keys()):
        _check_frame_folder(video, videos[video], folder.frames[video], log)


def _check_frame_folder(video: str, last: int, its: FrameFolder, log: FaultLog) -> None:
    is_stock = (its.head, its.digits) == ("img_", 5)
    if not is_stock:
        log.add(
            "pattern", "frames", f"frames are called {its.head}{its.first:0{its.digits}d}.jpg, "
            f"first in {its.path}",
            f"Set filename_tmpl='{_template(its, video)}' in MMAction2, or rename them.",
            stops=[f"{MMACTION2} with its default filename_tmpl"],
        )  # fmt: skip
    if its.first != 1:
        log.add(
            "first", "frames", f"the frames of {video} begin with {its.first}, not with 1",
            "Number frames from 1: frame 1 is timestamp 900.", stops=[MMACTION2],
        )  # fmt: skip
    if its.count < its.last - its.first + 1:
        gap = its.last - its.first + 1 - its.count
        log.add(
            "gap", "frames", f"{its.path} lacks {gap} frames between its first and last",
            "Extract the frames of the video again.", stops=TRAINERS,
        )  # fmt: skip
    frame = (last - START) * FPS + 1
    if last >= START and its.last < frame:
        rate = (its.last - its.first + 1) / max(last - START, 1)
        hint = f" (about {rate:.0f} a second?)" if rate < FPS else ""
        log.add(
            "count", "frames", f"{video} has {its.count} frames{hint}, but its keyframe {last} "
            f"is frame {frame}",
            "Extract 30 frames a second, from second 900 on.", stops=TRAINERS,
        )  # fmt: skip


def _template(its: FrameFolder, video: str) -> str:
    return f"{its.head.replace(video, '{video}')}{{:0{its.digits}}}.jpg"


def _check_proposals(facts: _Facts, log: FaultLog) -> None:
    for name, keys in facts.proposals.items():
        if not keys:
            continue
        split = split_of(name)
        wanted = {
            f"{video},{at:04d}"
            for file, its in facts.labels.items()
            if split_of(file) == split or not split
            for video, at in its.keyframes
        }
        if lacking := wanted - keys:
            log.add(
                "lacking", name, f"{len(lacking)} of {len(wanted)} labelled keyframes have no "
                f"proposals: {named(lacking)}",
                "Run a person detector on them: MMAction2 takes the whole frame instead.",
                misleads=[MMACTION2] if len(lacking) < len(wanted) else (),
                stops=() if len(lacking) < len(wanted) else [MMACTION2],
            )  # fmt: skip


def _title(folder: AvaFolder, facts: _Facts) -> str:
    names = " ".join([*folder.labels, *folder.evaluation, *folder.actions]).lower()
    if "manifest.json" in folder.others:
        return "a release of AVA Studio; `check_release` checks it with its manifest"
    if not facts.labels:
        return "no AVA dataset: there is no file of labels in it"
    if "kinetics" in names and folder.evaluation:
        return "AVA-Kinetics"
    for version in ("2.2", "2.1", "2.0"):
        if f"ava_train_v{version}" in names or f"ava_val_v{version}" in names:
            its = len({a for one in facts.labels.values() for a in one.actions})
            return f"AVA v{version}" + (
                "" if its > AVA_ACTIONS // 2 else ", or a set called so"
            )
    if folder.frame_lists and folder.predicted:
        return "a dataset in AVA format with the files that SlowFast reads"
    if folder.pickles:
        return "a dataset in AVA format with the files that MMAction2 reads"
    return "a dataset in AVA format"


def _summary(folder: AvaFolder, facts: _Facts) -> list[str]:
    found = []
    for name, its in facts.labels.items():
        found.append(
            f"{name}: {its.actions.total()} labels of {len(its.actions)} actions at "
            f"{len(its.keyframes)} keyframes of {len(its.videos)} videos"
            + (f", {len(its.empty)} keyframes without anybody" if its.empty else "")
        )
    for title, names in (
        ("action lists", [*folder.actions, *folder.label_maps]),
        ("predicted boxes", folder.predicted), ("proposals", folder.pickles),
        ("frame lists", folder.frame_lists), ("exclusions", folder.exclusions),
    ):  # fmt: skip
        if names:
            found.append(f"{title}: {named(names)}")
    if folder.frames:
        found.append(f"frames of {len(folder.frames)} videos")
    if folder.videos:
        found.append(f"{len(folder.videos)} video files")
    if folder.is_cut_short:
        found.append("it has more files than are looked at; the rest was left out")
    return found


def _verdict(
    consumer: str, folder: AvaFolder, faults: Iterable[DatasetFault]
) -> ConsumerVerdict:
    needs: dict[str, list[tuple[str, bool]]] = {
        MMACTION2: [("labels", bool(folder.labels)), ("an action list", bool(folder.actions))],
        SLOWFAST: [
            ("labels", bool(folder.labels)), ("an action list", bool(folder.actions)),
            ("frame lists", bool(folder.frame_lists)),
            ("predicted boxes", bool(folder.predicted)),
            ("a file of excluded timestamps", bool(folder.exclusions)),
        ],
        PYTORCHVIDEO: [
            ("labels", bool(folder.labels)), ("frame lists", bool(folder.frame_lists)),
        ],
        EVALUATOR: [
            ("labels", bool(folder.labels or folder.evaluation)),
            ("an action list", bool(folder.actions)),
        ],
    }  # fmt: skip
    lacking = [what for what, there in needs[consumer] if not there]
    stopping = [fault for fault in faults if consumer in fault.stops]
    misleading = [fault for fault in faults if consumer in fault.misleads]
    if stopping:
        return ConsumerVerdict(consumer, "stops", f"{stopping[0]}.")
    if lacking:
        listed = " and ".join(
            [", ".join(lacking[:-1]), lacking[-1]] if lacking[1:] else lacking
        )
        return ConsumerVerdict(consumer, "lacks files", f"It needs {listed}.")
    if misleading:
        return ConsumerVerdict(consumer, "misreads it", f"{misleading[0]}.")
    return ConsumerVerdict(consumer, "reads it", "Nothing wrong was found.")


def _hints(folder: AvaFolder, facts: _Facts) -> list[str]:
    ids = {a for its in facts.labels.values() for a in its.actions} | facts.known.keys()
    found = []
    if ids and max(ids) > 0:
        top = max(ids)
        found.append(
            f"num_classes is {top + 1} in MMAction2 (with the background) and NUM_CLASSES "
            f"{top} in SlowFast."
        )
        if top + 1 <= 5:
            found.append(f"topk of MMAction2 must be below {top + 1}: set topk=(1,).")
        if top != AVA_ACTIONS:
            found.append("Stock configurations are for 80 actions: change all that say so.")
    if facts.labels and not folder.frames:
        found.append("There are no frames in the folder, so they were not checked.")
    if facts.labels and not folder.pickles:
        found.append("Without proposals MMAction2 can train on true boxes, but not be tested.")
    for name, keys in facts.excluded.items():
        inside = {key for one in facts.labels.values() for key in one.keyframes} & keys
        if inside:
            found.append(f"{name} excludes {len(inside)} keyframes that have labels.")
    return found


def _ids(ids: Iterable[int]) -> str:
    ordered = [str(one) for one in sorted(ids)]
    return ", ".join(ordered[:8]) + (
        f" and {len(ordered) - 8} more" if len(ordered) > 8 else ""
    )
