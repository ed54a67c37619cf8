"""Majority against Dawid and Skene against the truth of the demo's world.

The three simulated annotators of the demo, and as many poorer ones, answer every clip of the
rendered films with the right boxes before them, four times with other mistakes. Their answers
go through the very XML that CVAT exports.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from annotation.core.cvat_xml import Document, Shape, XmlTrack, dump, load
from annotation.core.labels import (
    PERSON_ID,
    GroupSpec,
    answers_from,
    attributes_from,
    attributes_of,
)
from annotation.core.tracks import boxes_at
from datasets.core.clipping import FRAME_RATE
from demo.accuracy import SETTLED, Unit, accuracies
from demo.annotators import PERSONAS, Persona, fill_in, right_actions
from demo.world.scene import WORLD, TruthBox, truth_at
from demo.world.spec import VideoSpec
from demo.world.story import ACTION_NAMES
from qc.core.agreement.units import ABSENT
from qc.core.consensus.clip_consensus import Question, cast_vote
from qc.core.consensus.skill_weighting import estimated

SECONDS, FPS, ROUNDS = 15, 5, 4
POORER = (
    replace(PERSONAS[0], name="poorer-1", label_error=0.15),
    replace(PERSONAS[1], name="poorer-2", label_error=0.30),
    replace(PERSONAS[2], name="poorer-3", label_error=0.45),
)
PEOPLE = (*PERSONAS, *POORER)
GROUPS = (
    GroupSpec("movement", "one", True, ("run/jog", "sit", "stand", "walk")),
    GroupSpec("objects", "many", False, (ACTION_NAMES["carry"], "push (an object)")),
    GroupSpec("people", "many", False, (ACTION_NAMES["wave"], ACTION_NAMES["talk"])),
)
QUESTIONS = tuple(
    Question(group.name, group.choice, group.required, group.actions, len(group.actions))
    for group in GROUPS
)


def main() -> None:
    units = [unit for spec in WORLD for unit in asked(spec)]
    for name, people in (("the demo's three", PERSONAS), ("they and the poorer", PEOPLE)):
        names = [one.name for one in people]
        some = [
            unit._replace(votes={who: unit.votes[who] for who in names if who in unit.votes})
            for unit in units
        ]
        errors = ", ".join(f"{one.label_error:.0%}" for one in people)
        print(f"{name}, who err in {errors} of the stretches:")
        for one in accuracies(
            some, {each.name: rates(some, each, names) for each in QUESTIONS}
        ):
            if one.units and one.way != SETTLED:  # nobody reviews here
                print(f"  {one.way:42} right {one.share:.4f}  open {one.open / one.units:.4f}"
                      f"  of {one.units:,} units")  # fmt: skip


def asked(spec: VideoSpec) -> Iterator[Unit]:
    """Every person, keyframe and group of a film, with everybody's answers."""
    for start in range(0, int(spec.seconds) - SECONDS + 1, SECONDS):
        people = [
            [one for one in truth_at(spec, FRAME_RATE * (start + second)) if one.visible >= 0.5]
            for second in range(SECONDS)
        ]
        for n in range(ROUNDS):
            xml = package(spec, f"{spec.name}-{start}-{n}", people)
            said: dict[tuple[int, int], dict[str, Any]] = defaultdict(dict)
            for persona in PEOPLE:
                for place, answers in answered(xml, persona, people, seed=n):
                    said[place][persona.name] = answers
            for (second, person_id), votes in said.items():
                at = next((one for one in people[second] if one.person_id == person_id), None)
                if at is None:
                    continue
                for group, question in zip(GROUPS, QUESTIONS, strict=True):
                    true = right_actions([at], at.box, group)
                    yield Unit(
                        question, {who: one[group.name] for who, one in votes.items()}, true
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
    xml: bytes, persona: Persona, people: list[list[TruthBox]], *, seed: int
) -> Iterator[tuple[tuple[int, int], dict[str, Any]]]:
    """Of every second and person, what `persona` says."""
    filled = fill_in(
        xml, persona=persona, truth=lambda second: people[second], groups=GROUPS,
        annotation_fps=FPS, seed=seed,
    )  # fmt: skip
    for track in load(filled).tracks:
        for one in boxes_at(track, range(SECONDS), annotation_fps=FPS):
            if person_id := one.attributes.get(PERSON_ID):
                yield (one.second, int(person_id)), answers_from(one.attributes, GROUPS)


def rates(units: list[Unit], question: Question, names: list[str]) -> list[dict[str, Any]]:
    """Dawid and Skene's estimate from all units of a group."""
    of = [unit for unit in units if unit.question == question]
    cast = [[cast_vote(unit.votes.get(who), question) for unit in of] for who in names]
    values = list(dict.fromkeys(vote for row in cast for vote in row if vote is not None))
    places = {vote: place for place, vote in enumerate(values)}
    codes = np.array([[places.get(vote, ABSENT) for vote in row] for row in cast])
    found: list[dict[str, Any]] = estimated([(names, codes)], values, question)["estimates"]
    return found


if __name__ == "__main__":
    main()
