"""Simulated annotators: answers, error rates and exported XML."""

from dataclasses import replace

import numpy as np
import pytest

from annotation.core.cvat_tracks import interpolate_at_keyframes
from datasets.core.action_groups import ActionGroupSpec
from datasets.core.formats.cvat_document import Document, Shape, XmlTrack
from datasets.core.formats.cvat_labels import answers_from, attributes_from, attributes_of
from datasets.core.formats.cvat_xml import CvatXmlError, dump, load
from demo.simulated_annotators import (
    ANNOTATORS,
    SimulatedAnnotator,
    annotate_package,
    true_actions,
)
from demo.world.motion import ACTION_NAMES
from demo.world.renderer import TruthBox

FPS, SECONDS, WIDTH, HEIGHT = 5, 15, 640, 360
GROUPS = (
    ActionGroupSpec("movement", "one", True, ("run/jog", "sit", "stand", "walk")),
    ActionGroupSpec("objects", "many", False, (ACTION_NAMES["carry"], "push (an object)")),
    ActionGroupSpec("people", "many", False, (ACTION_NAMES["wave"], ACTION_NAMES["talk"])),
)
FAULTLESS = SimulatedAnnotator("faultless", label_error=0.0, jitter=0.0)
FALSE_BOX = (0.8, 0.5, 0.9, 0.9)
SECOND_BOX = (0.51, 0.42, 0.61, 0.8)  # on person 2, who has a better one


def truth(second: int) -> list[TruthBox]:
    """Person 1 walks and then stands and waves; 2 sits and talks; 3 comes late, unseen."""
    moved = 0.02 * min(second, 7)
    actions = ("walk",) if second < 7 else ("stand", "hand wave")
    people = [
        TruthBox(1, (0.1 + moved, 0.3, 0.2 + moved, 0.8), 1.0, actions),
        TruthBox(2, (0.5, 0.4, 0.6, 0.8), 1.0, ("sit", ACTION_NAMES["talk"])),
    ]
    if second >= 6:
        people.append(TruthBox(3, (0.65, 0.4, 0.75, 0.9), 1.0, ("stand",)))
    return people


def pixels(box):
    return tuple(round(v * w, 2) for v, w in zip(box, (WIDTH, HEIGHT) * 2, strict=True))


def package(*, third=FALSE_BOX, shift: float = 0.0) -> bytes:
    """Tracks of persons 1 and 2, and one that follows nobody new."""

    def track(person_id, box_of):
        attributes = attributes_from({}, person_id, GROUPS)
        return XmlTrack(
            tuple(
                Shape(second * FPS, pixels(box_of(second)), False, True, attributes)
                for second in (0, 7, 14)
            )
        )

    def shifted(second):
        x1, y1, x2, y2 = truth(second)[0].box
        return (x1 + shift, y1, x2 + shift, y2)

    tracks = [track(11, shifted), track(12, lambda second: truth(second)[1].box)]
    if third:
        tracks.append(track(13, lambda _: third))
    return dump(
        Document(
            "yard-c0000--someone", FPS * SECONDS, WIDTH, HEIGHT, attributes_of(GROUPS),
            tuple(tracks),
        )
    )  # fmt: skip


def fill(annotator=FAULTLESS, *, xml=None, truth=truth, seed=0) -> Document:
    return load(
        annotate_package(
            package() if xml is None else xml,
            annotator=annotator, truth=truth, groups=GROUPS, annotation_fps=FPS, seed=seed,
        )
    )  # fmt: skip


def answers_of(track, seconds=range(SECONDS)):
    return {
        one.second: answers_from(one.attributes, GROUPS)
        for one in interpolate_at_keyframes(track, seconds, annotation_fps=FPS)
    }


def test_without_errors_every_answer_is_correct():
    walker, sitter, _ = fill().tracks
    for second, answers in answers_of(walker).items():
        actions = truth(second)[0].actions
        assert answers["movement"] == actions[0]
        assert answers["people"] == list(actions[1:])
    assert all(one["people"] == [ACTION_NAMES["talk"]] for one in answers_of(sitter).values())


def test_person_ids_of_the_package_are_kept():
    ids = [{s.attributes["person_id"] for s in track.shapes} for track in fill().tracks]
    assert ids == [{"11"}, {"12"}, {"13"}]


def test_every_frame_is_listed_and_a_new_answer_is_a_cvat_keyframe():
    walker = fill().tracks[0]
    assert [shape.frame for shape in walker.shapes] == list(range(FPS * SECONDS))
    assert [shape.frame for shape in walker.shapes if shape.keyframe] == [0, 35, 70]
    assert walker.shapes[34].attributes["movement"] == "walk"
    assert walker.shapes[35].attributes["movement"] == "stand"


def test_boxes_between_move_as_cvat_shows_them():
    before = load(package()).tracks[0]
    after = fill().tracks[0]
    for one, other in zip(
        interpolate_at_keyframes(before, range(SECONDS), annotation_fps=FPS),
        interpolate_at_keyframes(after, range(SECONDS), annotation_fps=FPS),
        strict=True,
    ):
        assert other.box == pytest.approx(one.box, abs=0.011)


def test_an_inaccurate_box_is_redrawn():
    drawn = fill(xml=package(shift=0.03)).tracks[0]
    for one in interpolate_at_keyframes(drawn, range(SECONDS), annotation_fps=FPS):
        assert one.box == pytest.approx(pixels(truth(one.second)[0].box), abs=0.02)


def test_only_false_tracks_are_removed():
    remover = replace(FAULTLESS, removes_false=True)
    assert len(fill(remover).tracks) == 2
    assert len(fill(remover, xml=package(third=None)).tracks) == 2


def test_a_duplicate_track_is_removed():
    tracks = fill(xml=package(third=SECOND_BOX)).tracks
    assert [track.shapes[0].attributes["person_id"] for track in tracks] == ["11", "12"]


def test_a_duplicate_box_is_outside_while_the_better_one_exists():
    def passing(second):
        return truth(7)[0].box if second == 7 else SECOND_BOX

    document = load(package(third=None))
    attributes = attributes_from({}, 13, GROUPS)
    third = XmlTrack(
        tuple(
            Shape(second * FPS, pixels(passing(second)), False, True, attributes)
            for second in (6, 7, 8)
        )
    )
    alone = document.tracks[1]  # of person 2; nobody follows person 1
    left = fill(xml=dump(replace(document, tracks=(alone, third)))).tracks
    assert [
        one.second for one in interpolate_at_keyframes(left[1], range(9), annotation_fps=FPS)
    ] == [7]


def test_a_false_track_that_stays_is_a_standing_person():
    assert {one["movement"] for one in answers_of(fill().tracks[2]).values()} == {"stand"}


def test_missed_people_are_drawn_while_visible():
    drawn = fill(replace(FAULTLESS, draws_missed=True)).tracks[-1]
    assert drawn.shapes[0].attributes["person_id"] == ""
    assert sorted(answers_of(drawn)) == list(range(6, SECONDS))
    assert drawn.shapes[0].box == pytest.approx(pixels(truth(6)[2].box), abs=0.02)
    assert drawn.shapes[-1].outside or drawn.shapes[-1].frame == FPS * SECONDS - 1


def test_nothing_is_drawn_when_nobody_was_missed():
    def first_two(second):
        return truth(second)[:2]

    annotator = replace(FAULTLESS, draws_missed=True)
    assert len(fill(annotator, truth=first_two).tracks) == 3


def test_unset_answers_cover_whole_tracks_until_a_rejection():
    annotator = replace(FAULTLESS, unset_share=0.4)
    unset = [
        {one["movement"] for one in answers_of(track).values()} == {"unset"}
        for track in fill(annotator).tracks
    ]
    assert sum(unset) == 2
    careful = fill(annotator.without_unset()).tracks
    assert all(
        one["movement"] != "unset" for track in careful for one in answers_of(track).values()
    )


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_the_error_rate_is_as_configured(rate):
    annotator = replace(FAULTLESS, label_error=rate)
    wrong = []
    for seed in range(60):
        for track, right in zip(fill(annotator, seed=seed).tracks[:2], (0, 1), strict=True):
            for second, answers in answers_of(track).items():
                actions = truth(second)[right].actions
                wrong.append(answers["movement"] != actions[0])
                wrong.append(answers["people"] != list(actions[1:]))
    assert np.mean(wrong) == pytest.approx(rate, rel=0.3)


def test_the_same_annotator_gives_the_same_bytes_and_another_one_does_not():
    def out(annotator, seed=0):
        return annotate_package(
            package(),
            annotator=annotator,
            truth=truth,
            groups=GROUPS,
            annotation_fps=FPS,
            seed=seed,
        )

    one, other = (replace(ANNOTATORS[1], name=name) for name in ("a", "b"))
    assert out(one) == out(one)
    assert len({out(one), out(other), out(one, seed=1)}) == 3


def test_a_clip_without_tracks_stays_without_tracks():
    empty = dump(Document("a-c0000--b", FPS * SECONDS, WIDTH, HEIGHT, attributes_of(GROUPS)))
    assert fill(xml=empty, truth=lambda _: []).tracks == ()
    assert fill(ANNOTATORS[2], xml=empty, truth=None).tracks == ()


def test_without_ground_truth_the_speed_decides():
    walker, sitter, _ = fill(truth=None).tracks
    assert answers_of(sitter)[3] == {"movement": "stand", "objects": [], "people": []}
    assert {one["movement"] for one in answers_of(walker).values()} <= {"stand", "walk"}


def test_without_ground_truth_the_shortest_track_is_removed():
    attributes = attributes_from({}, 14, GROUPS)
    short = XmlTrack(
        (
            Shape(0, (1, 1, 30, 90), False, True, attributes),
            Shape(11, (1, 1, 30, 90), True, True, attributes),
        )
    )
    document = load(package())
    xml = dump(replace(document, tracks=(*document.tracks, short)))
    left = fill(replace(FAULTLESS, removes_false=True), xml=xml, truth=None).tracks
    assert [t.shapes[0].attributes["person_id"] for t in left] == ["11", "12", "13"]


def test_an_outside_box_ends_the_listing_until_the_person_is_back():
    attributes = attributes_from({}, 11, GROUPS)
    box = pixels(truth(0)[0].box)
    frames = ((0, False), (12, True), (30, False), (41, True))
    track = XmlTrack(tuple(Shape(f, box, o, True, attributes) for f, o in frames))
    xml = dump(Document("a--b", FPS * SECONDS, WIDTH, HEIGHT, attributes_of(GROUPS), (track,)))
    listed = [shape.frame for shape in fill(xml=xml).tracks[0].shapes]
    assert listed == [*range(13), *range(30, 42)]


def test_a_file_that_is_no_package_is_refused():
    with pytest.raises(CvatXmlError):
        fill(xml=b"<html></html>")


def test_the_three_annotators_use_every_option():
    assert [one.name for one in ANNOTATORS] == ["simulated-1", "simulated-2", "simulated-3"]
    assert any(one.draws_missed for one in ANNOTATORS)
    assert any(one.removes_false for one in ANNOTATORS)
    assert any(one.unset_share for one in ANNOTATORS)


def test_the_reviewer_answers_from_ground_truth():
    walker, sitter = truth(0)[:2]
    assert true_actions([walker, sitter], sitter.box, GROUPS[0]) == ["sit"]
    assert true_actions([walker, sitter], sitter.box, GROUPS[2]) == [ACTION_NAMES["talk"]]
    assert true_actions([walker, sitter], FALSE_BOX, GROUPS[0]) == ["unknown"]
    assert true_actions([walker, sitter], FALSE_BOX, GROUPS[2]) == []
