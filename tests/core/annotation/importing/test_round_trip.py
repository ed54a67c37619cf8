"""Every format that a release is written in is read back to the rows that it was made of."""

import pytest

from annotation.core.importing.clip_places import ClipIndex
from annotation.core.importing.conversion import FollowedClasses, ImportChoices, convert
from annotation.core.importing.label_mapping import PEOPLE, suggested_mapping
from annotation.importers.registry import importer_of
from annotation.importers.source_files import read_files
from datasets.core.formats import ava
from datasets.core.formats.cvat_labels import PERSON_ID, answers_from
from qc.core.release.formats import FORMATS, FormatContext
from qc.core.release.records import ANNOTATED, Origin, ReleaseClip, ReleasedPerson
from qc.core.release.writer import AnnotationWriter
from tests.core.annotation.importing.places import GROUPS, HEIGHT, WIDTH, places

ACTIONS = [
    ava.AvaAction(1, "stand", "PERSON_MOVEMENT"),
    ava.AvaAction(2, "walk", "PERSON_MOVEMENT"),
    ava.AvaAction(5, "wave", "OBJECT_MANIPULATION"),
    ava.AvaAction(9, "carry", "OBJECT_MANIPULATION"),
]
NAMES = {action.action_id: action.name for action in ACTIONS}
LEFT, RIGHT = "0.1000,0.2000,0.3000,0.9000", "0.6000,0.2000,0.8000,0.9000"
# (second, person, box, ids) of each clip; somebody comes back, somebody does nothing.
SAID = {
    "shop-c0000": [
        (2, 1, LEFT, (2, 5)), (3, 1, LEFT, (2, 5, 9)), (3, 2, RIGHT, ()), (6, 1, RIGHT, (1,)),
    ],
    "shop-c0001": [(0, 3, LEFT, (1,)), (14, 3, LEFT, (1, 9))],
    "shop-c0002": [(0, 3, RIGHT, (2,))],
}  # fmt: skip
WITHOUT_ACTIONS, OF_TUBES, OF_SEGMENTS = "mot", "tubes", "activitynet"


def clips(classes=None):
    for place in places():
        pad = place.window.pad_seconds
        keyframes = {900 + pad + second: ANNOTATED for second in place.keyframes}
        persons = [
            ReleasedPerson(
                900 + pad + second, person, box, ids, (1,),
                (Origin("posture", tuple(i for i in ids if i < 3), "single", ()),
                 Origin("doing", tuple(i for i in ids if i > 3), "single", ())),
                label=(classes or {}).get(person, "person"),
            )
            for second, person, box, ids in SAID[place.name]
        ]  # fmt: skip
        yield ReleaseClip(
            place.name, "train" if place.name != "shop-c0002" else "val", "shop", WIDTH,
            HEIGHT, place.window, keyframes, persons, {},
        )  # fmt: skip


def write(folder, name, classes=None):
    """Write all clips into `folder` in one format; "ava" and "release" are its annotations."""
    labels = ("person", *sorted(set((classes or {}).values())))
    folder.mkdir()
    if name in ("ava", "release"):
        with AnnotationWriter(folder, splits=["train", "val"]) as writer:
            for clip in clips(classes):
                writer.add(clip)
            writer.finish(ACTIONS)
        if name == "release":
            (folder / "manifest.json").write_text('{"format": "ava-studio-release/1"}')
        return
    writer = FORMATS[name].writer(
        FormatContext(
            folder, "shop release 1", ACTIONS, GROUPS, ["train", "val"], labels=labels
        )
    )
    for clip in clips(classes):
        writer.add(clip)
    writer.finish()


def given():
    """The tracker's boxes: a few pixels beside those of the release."""
    return {
        name: {
            (second, person): [side + 2 for side in pixels(box)]
            for second, person, box, _ in rows
        }
        for name, rows in SAID.items()
    }


def pixels(box):
    return [
        float(side) * size
        for side, size in zip(box.split(","), (WIDTH, HEIGHT) * 2, strict=True)
    ]


def rows_of(outcome):
    """Second, person, box and actions of every answer, by clip."""
    found = {}
    for name, clip in outcome.clips.items():
        rows = found.setdefault(name, [])
        for track in clip.document.tracks:
            for shape in track.shapes:
                if not shape.outside:
                    said = answers_from(shape.attributes, GROUPS)
                    rows.append((
                        shape.frame // 5, int(shape.attributes[PERSON_ID] or 0),
                        [round(side, 1) for side in shape.box], said,
                    ))  # fmt: skip
        rows.sort(key=lambda row: row[:2])
    return found


def wanted(*, with_actions=True, idle="unset"):
    found = {}
    for name, rows in SAID.items():
        found[name] = [
            (
                second, person, [round(side, 1) for side in pixels(box)],
                {
                    "posture": next((NAMES[i] for i in ids if i < 3), idle),
                    "doing": [NAMES[i] for i in ids if i > 3],
                }
                if with_actions else {"posture": "unset", "doing": "unset"},
            )
            for second, person, box, ids in rows
        ]  # fmt: skip
    return found


@pytest.mark.parametrize("name", ["ava", "release", *FORMATS])
def test_a_format_is_read_back_to_the_same_rows(tmp_path, name):
    write(tmp_path / name, name)
    files = read_files(tmp_path / name)
    importer = importer_of(files)
    document = importer.read(files)
    mapping = suggested_mapping(document, GROUPS, NAMES)
    subjects = dict.fromkeys(document.subjects(), "everybody")
    choices = ImportChoices(mapping=mapping, subjects=subjects)
    outcome = convert(document, ClipIndex(places()), given(), GROUPS, choices)
    assert outcome.unplaced == []
    assert set(mapping.values()) <= {
        "person", "posture: stand", "posture: walk", "doing: wave", "doing: carry",
        "posture: unknown", "doing: none",
    }  # fmt: skip
    found = rows_of(outcome)
    if name == OF_SEGMENTS:  # which have neither boxes nor people
        expected = {
            (clip, row[0], NAMES[i])
            for clip, rows in SAID.items() for row in rows for i in row[3]
        }  # fmt: skip
        listed = set()
        for clip, rows in found.items():
            for second, _, _, said in rows:
                actions = said["doing"] if isinstance(said["doing"], list) else []
                listed |= {(clip, second, one) for one in [*actions, said["posture"]]}
        assert expected <= listed
        assert {one[2] for one in listed - expected} <= {"unset"}
        return
    expected = wanted(with_actions=name != WITHOUT_ACTIONS)
    if name == "cvat":  # a person with an undecided posture: in CVAT it must say so
        expected = wanted(idle="unknown")
    if name in (OF_TUBES, "ava", "kinetics"):  # which say nothing of people who do nothing
        expected = {
            clip: [row for row in rows if row[3] != {"posture": "unset", "doing": []}]
            for clip, rows in expected.items()
        }
    assert found == expected


@pytest.mark.parametrize("name", ["ava", "release", *FORMATS])
def test_classes_are_read_back_where_a_format_has_them(tmp_path, name):
    """Person 2 and 3 are vehicles; nobody is where anybody of another class was tracked."""
    vehicles = {2: "vehicle", 3: "vehicle"}
    write(tmp_path / name, name, vehicles)
    files = read_files(tmp_path / name)
    document = importer_of(files).read(files)
    words = {"person": PEOPLE, "vehicle": ()}
    mapping = suggested_mapping(document, GROUPS, NAMES, words)
    has_classes = name not in ("kinetics", OF_TUBES, OF_SEGMENTS)
    assert (mapping.get("vehicle") == "vehicle") is has_classes
    subjects = dict.fromkeys(document.subjects(), "everybody")
    choices = ImportChoices(mapping=mapping, subjects=subjects)
    its_classes = FollowedClasses(tuple(words), dict.fromkeys(SAID, vehicles))
    outcome = convert(document, ClipIndex(places()), given(), GROUPS, choices, its_classes)
    found = {
        (clip, track.shapes[0].attributes[PERSON_ID], track.label)
        for clip, its in outcome.clips.items() for track in its.document.tracks
    }  # fmt: skip
    assert found == {
        (clip, str(person), vehicles.get(person, "person"))
        for clip, rows in SAID.items() for _, person, _, ids in rows
        if ids or name not in (OF_TUBES, "ava", "kinetics")
    }  # fmt: skip
    # Persons alone are followed: what is none is left out.
    mapping = suggested_mapping(document, GROUPS, NAMES)
    outcome = convert(
        document, ClipIndex(places()), given(), GROUPS, ImportChoices(mapping, subjects)
    )
    assert (list(outcome.clips) == ["shop-c0000"]) is has_classes
