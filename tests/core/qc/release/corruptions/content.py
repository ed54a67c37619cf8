"""Corruptions of rows: boxes, labels, persons, splits and scores."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from datasets.core.formats import ava
from qc.core.release.formats import FORMATS
from qc.core.release.records import EXCLUDED, Origin, ReleaseClip, ReleasedProposal
from tests.core.qc.release.corruptions.kinds import (
    Clips,
    all_changed,
    boxes_changed,
    clips_and_footage,
    fit,
    kind,
    mirrored,
    rewrite,
    swapped,
)
from tests.core.qc.release.street_release import ACTIONS, GROUPS
from tests.core.qc.release.tiny_release import keyframes_of, write_media, write_rows


@kind("boxes mirrored", check="drawn boxes", sentence="the consensus was")
def _(folder):
    rewrite(folder, all_changed(lambda clip: boxes_changed(clip, mirrored)))


@kind(
    "boxes mirrored everywhere", check="motion",
    sentence="boxes move where no pixel does; mirrored",
)  # fmt: skip
def _(folder):
    rewrite(folder, all_changed(lambda clip: boxes_changed(clip, mirrored)), deep=True)


@kind("x and y swapped", check="drawn boxes", sentence="the consensus was")
def _(folder):
    rewrite(folder, all_changed(lambda clip: boxes_changed(clip, swapped)))


@kind("x and y swapped everywhere", check="motion", sentence="with x and y swapped, ")
def _(folder):
    rewrite(folder, all_changed(lambda clip: boxes_changed(clip, swapped)), deep=True)


def a_second_late(clip: ReleaseClip) -> ReleaseClip:
    """What was said of a keyframe is said of the next one; the last is lost."""
    before = {at: [p for p in clip.persons if p.timestamp == at - 1] for at in clip.annotated}
    persons = [one._replace(timestamp=at) for at, some in before.items() for one in some]
    return replace(clip, persons=persons)


@kind("labels a second late", check="drawn boxes", sentence="no csv has")
def _(folder):
    rewrite(folder, all_changed(a_second_late))


@kind("labels a second late everywhere", check="motion", sentence="at another second")
def _(folder):
    rewrite(folder, all_changed(a_second_late), deep=True)


def shifted_names(folder: Path, names: Sequence[str]) -> None:
    names_now = dict(zip([a.action_id for a in ACTIONS], names, strict=True))
    actions = [action._replace(name=names_now[action.action_id]) for action in ACTIONS]
    folder_of = folder / "annotations"
    (folder_of / "ava_action_list.pbtxt").write_bytes(ava.dump_actions(actions))
    (folder_of / "ava_action_list_for_activitynet.pbtxt").write_bytes(
        ava.dump_actions(actions, for_evaluator=True)
    )
    (folder_of / "label_map.txt").write_bytes(ava.dump_label_map(actions))


def shifted(folder: Path) -> None:
    names = [a.name for a in ACTIONS]
    shifted_names(folder, names[1:] + names[:1])
    said = [{"id": a.action_id, "name": n, "type": a.label_type}
            for a, n in zip(ACTIONS, names[1:] + names[:1], strict=True)]  # fmt: skip
    fit(folder, actions=said)


@kind("action names shifted in all lists", check="votes", sentence="votes 0 name it")
def _(folder):
    shifted(folder)


@kind("action names shifted in the settings, too", check="votes", sentence="votes 0 name it")
def _(folder):
    path = folder / "settings.json"
    settings = json.loads(path.read_text())
    names = [a.name for a in ACTIONS]
    for group in settings["groups"]:
        for action in group["actions"]:
            action["name"] = names[action["id"] % len(names)]
    path.write_text(json.dumps(settings))
    shifted(folder)


def shuffled_ids(clip: ReleaseClip) -> ReleaseClip:
    random = np.random.default_rng(len(clip.name))
    persons = []
    for at in clip.annotated:
        here = clip.at(at)
        ids = random.permutation([one.person_id for one in here])
        new = [one._replace(person_id=int(i)) for one, i in zip(here, ids, strict=True)]
        persons += sorted(new, key=lambda one: one.person_id)
    return replace(clip, persons=persons)


@kind("person ids shuffled", check="drawn boxes", sentence="the consensus was")
def _(folder):
    rewrite(folder, all_changed(shuffled_ids))


@kind("person ids shuffled everywhere", check="identities", sentence="ids jump between people")
def _(folder):
    rewrite(folder, all_changed(shuffled_ids), deep=True)


@kind("a third of the persons gone", check="drawn boxes", sentence="no csv has")
def _(folder):
    rewrite(folder, all_changed(lambda clip: replace(
        clip, persons=[one for one in clip.persons if one.person_id != 2])))  # fmt: skip


def both_postures(clip: ReleaseClip) -> ReleaseClip:
    first, *rest = clip.persons
    ids = tuple(sorted({1, 2, *first.action_ids}))
    both = Origin("posture", (1, 2), "adjudicated", (), 1, "2026-01-01T00:00:00+00:00")
    origins = tuple(both if one.group == "posture" else one for one in first.origins)
    return replace(clip, persons=[first._replace(action_ids=ids, origins=origins), *rest])


@kind("two exclusive labels everywhere", check="vocabulary", sentence="which allows 1")
def _(folder):
    rewrite(folder, all_changed(both_postures), deep=True)


def near_boxes(clip: ReleaseClip) -> ReleaseClip:
    first, second, *rest = clip.persons
    sides = [float(side) for side in first.box.split(",")]
    near = ",".join(f"{side + 0.0001 * (i == 0):.4f}" for i, side in enumerate(sides))
    return replace(clip, persons=[first, second._replace(box=near, drawn=()), *rest])


@kind("two boxes equal to two decimals", check="near boxes", sentence="pytorchvideo takes them")
def _(folder):
    sources = clips_and_footage()[0]
    changed = near_boxes(sources[0])
    same = [float(side) for side in changed.persons[0].box.split(",")]
    middle = ",".join(f"{round(side, 2):.4f}" for side in same)
    near = ",".join(f"{round(side, 2) + 0.001 * (i == 0):.4f}" for i, side in enumerate(same))
    first, second, *rest = changed.persons
    persons = [first._replace(box=middle, drawn=()), second._replace(box=near), *rest]
    rewrite(folder, [replace(changed, persons=persons), *sources[1:]], deep=True)


def one_keyframe_in_val(clips: Clips) -> Clips:
    found, is_left = [], False
    for clip in clips:
        if clip.split != "val":
            found.append(clip)
            continue
        kept = [] if is_left else clip.annotated[:1]
        is_left = True
        statuses = {at: s if at in kept else EXCLUDED for at, s in clip.keyframes.items()}
        found.append(
            replace(
                clip, keyframes=statuses,
                persons=[one for one in clip.persons if one.timestamp in kept],
                proposals={at: some for at, some in clip.proposals.items() if at in kept},
            )
        )  # fmt: skip
    return found


@kind("val of one keyframe", check="split sizes", sentence="nothing can be measured on it")
def _(folder):
    rewrite(folder, one_keyframe_in_val(clips_and_footage()[0]), deep=True)


@kind("keyframes gone from the manifest", check="coverage", sentence="has no keyframe 904")
def _(folder):
    clips = all_changed(lambda clip: replace(
        clip, keyframes={at: s for at, s in clip.keyframes.items() if at < 904},
        persons=[one for one in clip.persons if one.timestamp < 904],
        proposals={at: some for at, some in clip.proposals.items() if at < 904},
    ))  # fmt: skip
    rewrite(folder, clips, deep=True)


def copied_to_val(folder: Path, *, again: bool) -> None:
    """Footage of train in val under another name, with its labels; encoded again or not."""
    clips, footage_of = clips_and_footage()
    source = next(clip for clip in clips if clip.name == "lane-c0000")
    copy = replace(source, name="quay-c0000", split="val", source_video="quay")
    if again:
        write_media(
            folder, copy.name, [np.ascontiguousarray(f) for f in footage_of[source.name]]
        )
        path = folder / "rawframes" / copy.name
        for image in path.iterdir():
            rgb = cv2.imdecode(np.frombuffer(image.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
            image.write_bytes(cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, 88])[1])
        clip = folder / "clips" / "quay-c0000.mp4"
        clip.write_bytes(clip.read_bytes() + b"\0\0\0\x08free")
    else:
        shutil.copytree(folder / "rawframes/lane-c0000", folder / "rawframes/quay-c0000")
        shutil.copyfile(folder / "clips/lane-c0000.mp4", folder / "clips/quay-c0000.mp4")
    manifest = json.loads((folder / "manifest.json").read_text())
    entry = next(v for v in manifest["videos"] if v["video_id"] == source.name)
    entries = [*manifest["videos"], entry | {"video_id": copy.name, "source_video": "quay",
                                             "split": "val"}]  # fmt: skip
    some = sorted([*clips, copy], key=lambda clip: clip.name)
    facts = write_rows(folder, some, formats=sorted(FORMATS), actions=ACTIONS, groups=GROUPS)
    fit(folder, facts, keyframes=keyframes_of(some),
        videos=sorted(entries, key=lambda one: one["video_id"]))  # fmt: skip


@kind("train in val under another name", check="same footage", sentence="under another name")
def _(folder):
    copied_to_val(folder, again=False)


@kind(
    "train in val under another name, encoded again", check="same footage",
    sentence="quay-c0000",
)  # fmt: skip
def _(folder):
    copied_to_val(folder, again=True)


def proposals_changed(
    change: Callable[[ReleaseClip, int, list[ReleasedProposal]], list[ReleasedProposal]],
) -> Clips:
    return all_changed(
        lambda clip: replace(
            clip,
            proposals={
                at: sorted(change(clip, at, some), key=lambda one: (-one.score, one.box))
                for at, some in clip.proposals.items()
            },
        )
    )


@kind(
    "proposals equal to the corrected boxes", check="tracked boxes",
    sentence="which the tracker did not give",
)  # fmt: skip
def _(folder):
    rewrite(folder, proposals_changed(
        lambda clip, at, some: [ReleasedProposal(one.box, 0.9, one.person_id)
                                for one in clip.at(at)]))  # fmt: skip


@kind("constant scores", check="tracked boxes", sentence="with a score of 0.5")
def _(folder):
    rewrite(folder, proposals_changed(
        lambda clip, at, some: [one._replace(score=0.5) for one in some]))  # fmt: skip


@kind("inverted scores", check="tracked boxes", sentence="which the tracker did not give")
def _(folder):
    rewrite(folder, proposals_changed(
        lambda clip, at, some: [one._replace(score=round(1 - one.score, 4)) for one in some]
    ))  # fmt: skip


@kind("inverted scores everywhere", check="scores", sentence="upside down")
def _(folder):
    rewrite(folder, proposals_changed(
        lambda clip, at, some: [one._replace(score=round(1 - one.score, 4)) for one in some]
    ), deep=True)  # fmt: skip


@kind("persons of two clips exchanged everywhere", check="motion", sentence="not under its own")
def _(folder):
    clips = clips_and_footage()[0]
    known = {clip.name: clip for clip in clips}
    other = {"lane-c0000": known["lane-c0001"], "lane-c0001": known["lane-c0000"]}
    changed = [
        replace(clip, persons=found.persons, proposals=found.proposals)
        for clip in clips for found in [other.get(clip.name, clip)]
    ]  # fmt: skip
    rewrite(folder, changed, deep=True)


def without_carry(clip: ReleaseClip) -> ReleaseClip:
    """Nobody carries any more; the votes say that some do."""

    def kept(ids):
        return tuple(one for one in ids if one != 4)

    return replace(
        clip,
        persons=[
            one._replace(
                action_ids=kept(one.action_ids),
                origins=tuple(o._replace(action_ids=kept(o.action_ids)) for o in one.origins),
            )
            for one in clip.persons
        ],
    )


@kind("an action gone everywhere", check="votes", sentence="lacks the label carry, for which")
def _(folder):
    rewrite(folder, all_changed(without_carry), deep=True)


def other_posture(clip: ReleaseClip) -> ReleaseClip:
    """The other posture of one person, as if a reviewer had decided so."""
    turned = {1: 2, 2: 1}

    def decided(origin):
        if origin.group != "posture":
            return origin
        ids = tuple(turned[one] for one in origin.action_ids)
        at = "2026-01-01T00:00:00+00:00"
        return origin._replace(action_ids=ids, rule="adjudicated", reviewer=1, decided_at=at)

    return replace(
        clip,
        persons=[
            one._replace(
                action_ids=tuple(sorted(turned.get(i, i) for i in one.action_ids)),
                origins=tuple(map(decided, one.origins)),
            )
            if one.person_id == 3
            else one
            for one in clip.persons
        ],
    )


@kind("decisions against all votes everywhere", check="decisions", sentence="against all votes")
def _(folder):
    rewrite(folder, all_changed(other_posture), deep=True)
