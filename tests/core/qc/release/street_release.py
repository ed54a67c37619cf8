"""A release of six short rendered clips in all formats: people who walk, and are seen to.

What is drawn moves where the boxes are, annotators draw a little differently, and the tracker
finds people with good scores and other things with bad ones, so that every part of a release
can be held against another.
"""

import numpy as np

from datasets.core.action_groups import ActionGroupSpec
from datasets.core.formats import ava
from datasets.core.media.clips_and_keyframes import export_window
from qc.core.release.formats import FORMATS
from qc.core.release.records import (
    ANNOTATED,
    EXCLUDED,
    Origin,
    ReleaseClip,
    ReleasedPerson,
    ReleasedProposal,
)
from tests.core.qc.release.tiny_release import write_release

WIDTH, HEIGHT = 256, 144
FRAMES = 240
KEYFRAMES = range(902, 907)
PERSONS = 3
ACTIONS = [
    ava.AvaAction(1, "stand", "PERSON_MOVEMENT"),
    ava.AvaAction(2, "walk", "PERSON_MOVEMENT"),
    ava.AvaAction(3, "wave", "OBJECT_MANIPULATION"),
    ava.AvaAction(4, "carry", "OBJECT_MANIPULATION"),
    ava.AvaAction(5, "talk", "PERSON_INTERACTION"),
]
NAMES = {action.action_id: action.name for action in ACTIONS}
GROUPS = [
    ActionGroupSpec("posture", "one", True, ("stand", "walk")),
    ActionGroupSpec("doing", "many", False, ("wave", "carry"), 2),
    ActionGroupSpec("with others", "many", False, ("talk",), 1),
]
IDS_OF = {
    group.name: [next(i for i, n in NAMES.items() if n == name) for name in group.actions]
    for group in GROUPS
}
PLACES = {  # clip -> (source video, split)
    "dock-c0000": ("dock", "val"), "lane-c0000": ("lane", "train"),
    "lane-c0001": ("lane", "train"), "mall-c0000": ("mall", "train"),
    "park-c0000": ("park", "train"), "pier-c0000": ("pier", "val"),
}  # fmt: skip


def world(name):
    """The frames of a clip, and the box of each person at each frame: (persons, frames, 4)."""
    random = np.random.default_rng(list(name.encode()))
    source, _ = PLACES[name]
    place = np.random.default_rng(list(source.encode()))
    coarse = place.integers(30, 200, (9, 16, 3)).astype(np.float32)
    background = np.repeat(np.repeat(coarse, 16, 0), 16, 1).astype(np.uint8)
    footage = np.repeat(background[None], FRAMES, 0)
    boxes = np.zeros((PERSONS, FRAMES, 4))
    for person in range(PERSONS):
        width, height = random.integers(18, 26), random.integers(44, 62)
        top = 4 + 26 * person
        speed = random.uniform(14, 22) / 30 * random.choice([-1, 1])
        left = random.uniform(4, 24) if speed > 0 else random.uniform(120, 140)
        texture = random.integers(0, 255, (height, width, 3)).astype(np.uint8)
        texture = np.repeat(texture[:, ::4], 4, 1)[:, :width]
        for frame in range(FRAMES):
            x = min(max(left + speed * frame, 0), WIDTH - width)
            boxes[person, frame] = x, top, x + width, top + height
            footage[frame, top : top + height, round(x) : round(x) + width] = texture
    return list(footage), boxes


def actions_of(person, at):
    """What a person does at a keyframe."""
    if person == 0:
        return (2, 3) if at % 2 else (2,)
    if person == 1:
        return (1, 4, 5) if at < 905 else (1, 4)
    return (2, 4) if at == 906 else (2,)


def a_person(at, number, truth, random):
    """A person as three annotators drew and labelled it."""
    drawn = [tuple(float(side) for side in truth + random.normal(0, 0.7, 4)) for _ in range(3)]
    box = np.median(np.array(drawn), axis=0)
    ids = actions_of(number, at)
    origins = []
    for group in sorted(GROUPS):
        chosen = tuple(i for i in ids if i in IDS_OF[group.name])
        names = [NAMES[i] for i in chosen]
        answer = names[0] if group.choice == "one" else names
        other = ("stand" if names == ["walk"] else "walk") if group.choice == "one" else []
        is_split = group.name == "posture" and at == 903
        votes = ((1, answer), (2, answer), (3, other if is_split else answer))
        rule = "majority" if is_split else "unanimous"
        origins.append(Origin(group.name, chosen, rule, votes))
    return ReleasedPerson(
        at, number + 1, ava.format_box(box, width=WIDTH, height=HEIGHT), ids, (1, 2, 3),
        tuple(origins), tuple(drawn),
    )  # fmt: skip


def a_clip(name, boxes):
    source, split = PLACES[name]
    random = np.random.default_rng(list(f"answers {name}".encode()))
    keyframes = dict.fromkeys(KEYFRAMES, ANNOTATED)
    if name == "mall-c0000":
        keyframes[904] = EXCLUDED
    persons, proposals = [], {}
    for at, status in keyframes.items():
        if status == EXCLUDED:
            continue
        found = []
        for number in range(PERSONS):
            truth = boxes[number, 30 * (at - 900)]
            persons.append(a_person(at, number, truth, random))
            near = truth + random.normal(0, 1.5, 4)
            found.append((near, random.uniform(0.5, 0.95), number + 1))
        for _ in range(2):
            left, top = random.uniform(150, 220), random.uniform(90, 100)
            wrong = np.array([left, top, left + 20, top + 40])
            found.append((wrong, random.uniform(0.05, 0.4), 0))
        its = [
            ReleasedProposal(
                ava.format_box(box, width=WIDTH, height=HEIGHT), round(score, 4), track
            )
            for box, score, track in found
        ]
        proposals[at] = sorted(its, key=lambda one: (-one.score, one.box))
    return ReleaseClip(
        name, split, source, WIDTH, HEIGHT,
        export_window(0, FRAMES, video_frame_count=FRAMES), keyframes, persons, proposals,
    )  # fmt: skip


def street():
    """The clips, and the frames that they show by their names."""
    footage_of, clips = {}, []
    for name in sorted(PLACES):
        footage_of[name], boxes = world(name)
        clips.append(a_clip(name, boxes))
    return clips, footage_of


def write_street(folder):
    """The whole release."""
    clips, footage_of = street()
    return write_release(
        folder,
        clips,
        formats=sorted(FORMATS),
        footage_of=footage_of,
        actions=ACTIONS,
        groups=GROUPS,
    )
