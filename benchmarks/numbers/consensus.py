"""Majority against Dawid and Skene against the truth of the demo's world.

The three simulated annotators of the demo, and as many poorer ones, answer every clip of the
rendered films with the right boxes before them, four times with other mistakes. Their answers
go through the very XML that CVAT exports.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from zlib import crc32

import numpy as np

from annotation.core.cvat_tracks import interpolate_at_keyframes
from datasets.core.action_groups import ActionGroupSpec
from datasets.core.formats.cvat_document import Document, Shape, XmlTrack
from datasets.core.formats.cvat_labels import (
    PERSON_ID,
    answers_from,
    attributes_from,
    attributes_of,
)
from datasets.core.formats.cvat_xml import dump, load
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from demo.consensus_accuracy import REVIEWED, TrueUnit, accuracies
from demo.simulated_annotators import (
    ANNOTATORS,
    SimulatedAnnotator,
    annotate_package,
    true_actions,
)
from demo.world.motion import ACTION_NAMES
from demo.world.renderer import DEMO_VIDEOS, TruthBox, truth_at
from demo.world.video_spec import VideoSpec
from qc.core.agreement.label_agreement import ABSENT
from qc.core.consensus.clip_consensus import as_vote
from qc.core.consensus.dawid_skene import segments
from qc.core.consensus.skill_weighting import FittedRates, fit

SECONDS, FPS, ROUNDS = 15, 5, 4
POORER = (
    replace(ANNOTATORS[0], name="poorer-1", label_error=0.15),
    replace(ANNOTATORS[1], name="poorer-2", label_error=0.30),
    replace(ANNOTATORS[2], name="poorer-3", label_error=0.45),
)
PEOPLE = (*ANNOTATORS, *POORER)
GROUPS = (
    ActionGroupSpec("movement", "one", True, ("run/jog", "sit", "stand", "walk")),
    ActionGroupSpec("objects", "many", False, (ACTION_NAMES["carry"], "push (an object)")),
    ActionGroupSpec("people", "many", False, (ACTION_NAMES["wave"], ACTION_NAMES["talk"])),
)
CAPPED_GROUPS = tuple(
    ActionGroupSpec(group.name, group.choice, group.required, group.actions, len(group.actions))
    for group in GROUPS
)


def main() -> None:
    units = [unit for spec in DEMO_VIDEOS for unit in asked(spec)]
    for name, people in (("the demo's three", ANNOTATORS), ("they and the poorer", PEOPLE)):
        names = [one.name for one in people]
        some = [
            unit._replace(votes={who: unit.votes[who] for who in names if who in unit.votes})
            for unit in units
        ]
        errors = ", ".join(f"{one.label_error:.0%}" for one in people)
        print(f"{name}, who err in {errors} of the segments:")
        for one in accuracies(
            some, {each.name: rates(some, each, names) for each in CAPPED_GROUPS}
        ):
            if one.units and one.method != REVIEWED:  # there is no reviewer here
                print(f"  {one.method:42} accuracy {one.accuracy:.4f}  "
                      f"open {one.open / one.units:.4f}"
                      f"  of {one.units:,} units")  # fmt: skip


def asked(spec: VideoSpec) -> Iterator[TrueUnit]:
    """Every person, keyframe and group of a film, with everybody's answers."""
    for start in range(0, int(spec.seconds) - SECONDS + 1, SECONDS):
        people = [
            [one for one in truth_at(spec, FRAME_RATE * (start + second)) if one.visible >= 0.5]
            for second in range(SECONDS)
        ]
        for n in range(ROUNDS):
            xml = package(spec, f"{spec.name}-{start}-{n}", people)
            said: dict[tuple[int, int], dict[str, Any]] = defaultdict(dict)
            for annotator in PEOPLE:
                for place, answers in answered(xml, annotator, people, seed=n):
                    said[place][annotator.name] = answers
            for (second, person_id), votes in said.items():
                at = next((one for one in people[second] if one.person_id == person_id), None)
                if at is None:
                    continue
                for group, group_spec in zip(GROUPS, CAPPED_GROUPS, strict=True):
                    true = true_actions([at], at.box, group)
                    yield TrueUnit(
                        group_spec,
                        {who: one[group.name] for who, one in votes.items()},
                        true,
                        person=crc32(f"{spec.name}-{start}-{n}-{person_id}".encode()),
                    )


def package(spec: VideoSpec, name: str, people: list[list[TruthBox]]) -> bytes:
    """What the annotators get: the right boxes, nothing answered."""
    size = np.array([spec.width, spec.height] * 2)
    tracks = defaultdict(list)
    for second, there in enumerate(people):
        for one in there:
            box = tuple((np.array(one.box) * size).round(2).tolist())
            attributes = attributes_from({}, one.person_id, GROUPS)
            tracks[one.person_id].append(Shape(FPS * second, box, False, True, attributes))
    return dump(
        Document(
            name, FPS * SECONDS, spec.width, spec.height, attributes_of(GROUPS),
            tuple(XmlTrack(tuple(shapes)) for _, shapes in sorted(tracks.items())),
        )
    )  # fmt: skip


def answered(
    xml: bytes, annotator: SimulatedAnnotator, people: list[list[TruthBox]], *, seed: int
) -> Iterator[tuple[tuple[int, int], dict[str, Any]]]:
    """Of every second and person, what `annotator` says."""
    filled = annotate_package(
        xml, annotator=annotator, truth=lambda second: people[second], groups=GROUPS,
        annotation_fps=FPS, seed=seed,
    )  # fmt: skip
    for track in load(filled).tracks:
        for one in interpolate_at_keyframes(track, range(SECONDS), annotation_fps=FPS):
            if person_id := one.attributes.get(PERSON_ID):
                yield (one.second, int(person_id)), answers_from(one.attributes, GROUPS)


def rates(
    units: list[TrueUnit], group_spec: ActionGroupSpec, names: list[str]
) -> list[FittedRates]:
    """Dawid and Skene's estimate from all units of a group."""
    of = [unit for unit in units if unit.group == group_spec]
    cast = [[as_vote(unit.votes.get(who), group_spec) for unit in of] for who in names]
    values = list(dict.fromkeys(vote for row in cast for vote in row if vote is not None))
    places = {vote: place for place, vote in enumerate(values)}
    codes = np.array([[places.get(vote, ABSENT) for vote in row] for row in cast])
    # Units come person by person in the order of time, for `segments`.
    persons = np.array([unit.person for unit in of])
    judgements = [(names, segments(codes, persons))]
    return fit([(names, codes)], values, group_spec, judgements=judgements).fits


if __name__ == "__main__":
    main()
