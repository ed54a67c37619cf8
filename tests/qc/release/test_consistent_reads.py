"""Reading what is believed while reviewers go on deciding."""

import threading

import pytest
from django.db import connection

from avaproject.base.work import Stage
from qc.models import Consensus, Review
from qc.selectors.release.approved_clips import select_clips
from qc.services.consensus.adjudicate import adjudicate
from qc.services.consensus.build_consensus import build_clip_consensus, plan_consensuses
from qc.services.release.clip_content import ContentReader
from tests import make

SECONDS = 30


@pytest.fixture
def approved():
    """A dataset with one clip that two approved annotators agree on: all walk and wave."""
    dataset = make.make_dataset("shop")
    run = make.make_run(make.make_clips(make.make_video(dataset, "aisle"))[0])
    reviewer = make.make_user()
    for name in ("kim", "lee"):
        task = make.make_task(run, make.make_annotator(dataset, name))
        version = make.make_version(task, {"posture": "walk", "doing": ["wave"]})
        Review.objects.create(task=task, version=version, verdict="approved", reviewer=reviewer)
    plan_consensuses()
    build_clip_consensus(Consensus.objects.get(stage=Stage.WAITING).pk)
    return dataset


@pytest.mark.django_db(transaction=True)
def test_a_decision_made_between_boxes_and_labels_loses_no_label(approved):
    """Here it is made when the labels are asked for, by somebody who decides the first time."""
    chosen = select_clips(approved).approved
    user = make.make_user("judge")
    reader = ContentReader(approved)

    def decide():
        adjudicate(
            chosen[0].clip, second=2, person_id=1, group="posture", actions=["sit"], user=user
        )
        connection.close()

    decision = threading.Thread(target=decide)

    def meanwhile(execute, sql, params, many, context):
        if "qc_consensuslabel" in sql and decision.ident is None:
            decision.start()
            decision.join(1)  # it is made now, or waits for the end of the reading
        return execute(sql, params, many, context)

    with connection.execute_wrapper(meanwhile):
        [clip] = reader.read(chosen)
    decision.join(SECONDS)
    assert not decision.is_alive()
    person = next(one for one in clip.persons if (one.timestamp, one.person_id) == (902, 1))
    assert person.action_ids == (2, 4)
    [after] = reader.read(chosen)
    person = next(one for one in after.persons if (one.timestamp, one.person_id) == (902, 1))
    assert person.action_ids == (3, 4)
    assert {origin.reviewer for origin in person.origins} == {0, 1}
