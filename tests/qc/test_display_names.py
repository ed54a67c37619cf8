"""How pages call persons and groups, and that files call them as before."""

import csv
import json
from io import StringIO

import pytest
from django.urls import reverse

from annotation.models import Annotation
from datasets.accounts.activity import acting
from datasets.models import ActionGroup, ActivityRecord
from qc.models import AgreementReport, AgreementSummary, Consensus, ConsensusBox
from qc.selectors.player_scene import player_scene
from qc.services.agreement.reports import (
    plan_reports,
    plan_summaries,
    report_agreement,
    summarise,
)
from qc.services.consensus.adjudicate import AdjudicationError, adjudicate
from qc.services.consensus.build_consensus import build_clip_consensus, plan_consensuses
from tests.make import make_version

pytestmark = pytest.mark.django_db

DRAWN = {"x1": 400.0, "y1": 100.0, "x2": 450.0, "y2": 250.0}


@pytest.fixture
def pages(client, reviewer, dataset, tasks):
    """The text of a page of a dataset with a person drawn, and a group named with a line."""
    ActionGroup.objects.filter(name="doing").update(name="object_manipulation")
    for task, said in zip(tasks, (["wave"], ["carry"]), strict=True):
        version = make_version(task, {"posture": "walk", "object_manipulation": said})
        answers = {"posture": "sit", "object_manipulation": said}
        Annotation.objects.create(version=version, second=2, track=9, answers=answers, **DRAWN)
    plan_reports()
    report_agreement(AgreementReport.objects.get().pk)
    plan_summaries()
    summarise(AgreementSummary.objects.get().pk)
    plan_consensuses()
    build_clip_consensus(Consensus.objects.get().pk)
    client.force_login(reviewer)

    def page(name, *arguments, **asked):
        found = client.get(reverse(f"qc:{name}", args=["shop", *arguments]), asked)
        assert found.status_code == 200
        return found.content.decode()

    return page


def draw_vehicle(clip):
    """As if what was drawn, P3, had been drawn as a vehicle."""
    Annotation.objects.filter(track=9).update(label="vehicle")
    clip.video.persons.filter(person_id=3).update(label="vehicle")


def test_a_person_that_annotators_drew_has_the_next_number(pages, clip, reviewer):
    assert ConsensusBox.objects.filter(person_id=3).exists()
    adjudicate(
        clip, second=2, person_id=3, group="object_manipulation", actions=["wave"],
        user=reviewer,
    )  # fmt: skip
    asked = pages("adjudication", at=f"{clip.name}.3.object_manipulation.2")
    for page in (asked, pages("decisions"), pages("clip", clip.name)):
        assert "P3" in page


def test_what_is_no_person_is_called_what_it_is(pages, clip, reviewer):
    pages_of_persons = pages("clip", clip.name)
    assert "vehicle" not in pages_of_persons
    draw_vehicle(clip)
    adjudicate(
        clip, second=2, person_id=3, group="object_manipulation", actions=["wave"],
        user=reviewer,
    )  # fmt: skip
    asked = pages("adjudication", at=f"{clip.name}.3.object_manipulation.2")
    for page in (asked, pages("decisions"), pages("clip", clip.name)):
        assert "P3 vehicle" in page
    scene = json.loads(pages("scene", clip.name))
    assert scene["classes"] == {"3": "vehicle"}


def test_whether_it_is_one_is_asked_by_its_class(pages, clip, reviewer):
    draw_vehicle(clip)
    ConsensusBox.objects.filter(person_id=3).update(status="disputed")
    key = f"{clip.name}.3.~person.2"
    asked = pages("adjudication", at=key)
    assert "Is this right: vehicle?" in asked
    assert "No vehicle" in asked
    assert "Is this a person?" not in asked
    assert "annotators have this: vehicle; more than half must." in asked
    with acting(reviewer):
        adjudicate(clip, second=2, person_id=3, is_person=False, user=reviewer)
    assert "No vehicle" in pages("decisions")
    done = ActivityRecord.objects.get(verb="adjudicate")
    assert done.details == "P3 vehicle, second 2"
    with pytest.raises(AdjudicationError, match="has no P3 vehicle at second 99"):
        adjudicate(clip, second=99, person_id=3, is_person=False, user=reviewer)
    with pytest.raises(AdjudicationError, match="has no person 1 at second 99"):
        adjudicate(clip, second=99, person_id=1, is_person=False, user=reviewer)
    shown = pages("clip", clip.name)
    assert "No vehicle, decided by" in shown


def test_the_player_says_what_was_drawn_before_there_is_a_consensus(clip, tasks):
    version = make_version(tasks[0])
    version.annotations.create(second=2, track=9, label="vehicle", answers={}, **DRAWN)
    scene = player_scene(clip)
    (drawn,) = [number for number in scene["answers"][2] if number > 2]
    assert scene["classes"] == {drawn: "vehicle"}


def test_a_group_is_called_alike_on_all_pages(pages, clip, tasks):
    asked = pages("adjudication", at=f"{clip.name}.1.object_manipulation.2")
    for page in (
        asked, pages("agreement"), pages("agreement-group", "object_manipulation"),
        pages("agreement-clip", clip.name), pages("agreement-pair", "kim", "lee"),
        pages("agreement-annotator", "kim"), pages("review"), pages("task", tasks[0].pk),
        pages("clip", clip.name),
    ):  # fmt: skip
        assert "Object manipulation" in page
        assert ">object_manipulation<" not in page


def test_the_file_calls_a_group_by_its_name(pages):
    rows = csv.DictReader(StringIO(pages("agreement", csv="groups")))
    assert "object_manipulation" in {row["Group"] for row in rows}
