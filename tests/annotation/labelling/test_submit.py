"""Submission on the label page: an answer version that all later steps read like any other."""

import pytest

from annotation.models import Annotation, AnnotationTask, AnswerDraft, AnswerVersion, StoredBox
from annotation.services.answers import read_answers, receive_answers
from annotation.services.labelling.drafts import append_operations, open_draft, reopen
from annotation.services.labelling.submit import submit
from annotation.services.packages import task_document
from avaproject.base.work import Stage
from datasets.core.formats.cvat_xml import dump as dump_xml
from qc.selectors.label_page import label_data
from qc.services.review.verdicts import reject
from tests.annotation.labelling.conftest import new_tab
from tests.annotation.labelling.label_client import Tab
from tests.make import make_annotator, make_clips, make_task, make_user, make_video
from tests.stored_files import make_ready_run

LAST = 14  # keyframe of the clip
WALK = {"posture": "walk", "doing": []}


def submitted(tab: Tab, **answers) -> AnswerVersion:
    """The version that the tab submits after answering everything, read into rows."""
    tab.answer_all(**answers)
    answer = tab.submit()
    assert answer.status_code == 200, answer.json()
    version = tab.task.versions.get(number=answer.json()["version"])
    return read_answers(version.pk) or version


def test_what_is_unset_is_refused_with_the_list(tab):
    tab.act("keep", person="1", first=2, last=LAST, answers=WALK)
    refused = tab.submit()
    assert refused.status_code == 409
    assert refused.json()["code"] == "unset"
    assert {one["person"] for one in refused.json()["unset"]} == {"2"}
    assert not AnswerVersion.objects.exists()


def test_a_submission_becomes_a_version_with_all_answers(tab, task):
    version = submitted(tab)
    assert (version.stage, version.source) == (Stage.DONE, "label page")
    assert version.author == task.annotator
    assert (version.person_count, version.unfinished, version.missing_persons) == (2, 0, [])
    rows = Annotation.objects.filter(version=version)
    assert rows.count() == 2 * len(task.clip.keyframes())
    assert all(row.answers == WALK for row in rows)
    box = rows.filter(person_id=1).first()
    assert (box.x1, box.y1, box.x2, box.y2) == (100.0, 100.0, 150.0, 250.0)


def test_submitting_twice_gives_one_version(tab):
    version = submitted(tab)
    again = tab.submit()
    assert (again.status_code, again.json()["version"]) == (200, version.number)
    assert AnswerVersion.objects.count() == 1


def test_operations_that_have_not_arrived_are_waited_for(tab):
    tab.answer_all()
    tab.operation("reply", remark="a", text="not sent")
    assert tab.submit().json()["code"] == "gap"


def test_deleted_and_merged_persons_are_not_missing(tab, task):
    tab.act("merge", person="1", other="2")
    tab.act("keep", person="1", first=2, last=LAST, answers=WALK)
    assert tab.submit().status_code == 200
    version = read_answers(AnswerVersion.objects.get().pk)
    assert (version.person_count, version.missing_persons) == (1, [])
    gone = StoredBox.objects.get(version=version, track=1)
    assert (gone.frame, gone.outside) == (0, True)


def test_nobody_in_the_clip_is_an_answer_and_not_held_back(tab):
    for person in ("1", "2"):
        tab.act("delete", person=person)
    assert tab.submit().status_code == 200
    version = read_answers(AnswerVersion.objects.get().pk)
    assert (version.stage, version.is_held_back, version.person_count) == (Stage.DONE, False, 0)


def test_a_drawn_person_has_no_number_and_only_its_keyframes(tab):
    tab.act("add", person="d-1", frame=90, box=[300, 50, 340, 200])
    tab.act("box", person="d-1", frame=150, box=[320, 50, 360, 200])
    tab.act("keep", person="d-1", first=3, last=5, answers=WALK)
    version = submitted(tab)
    rows = Annotation.objects.filter(version=version, person_id=None).order_by("second")
    assert [(row.second, row.x1) for row in rows] == [(3, 300.0), (4, 310.0), (5, 320.0)]


def test_a_change_holds_until_the_next_one(tab):
    tab.answer_all()
    tab.act("set", person="1", second=6, answers={"posture": "sit"})
    tab.submit()
    version = read_answers(AnswerVersion.objects.get().pk)
    rows = Annotation.objects.filter(version=version, person_id=1).order_by("second")
    postures = [row.answers["posture"] for row in rows]
    assert postures == ["walk"] * 4 + ["sit"] * (len(postures) - 4)


def test_submitted_work_is_closed_until_it_is_reopened(tab, task):
    submitted(tab)
    assert tab.act("delete", person="1").json()["code"] == "submitted"
    assert tab.open().json()["code"] == "submitted"
    assert tab.post("reopen", {}).status_code == 200
    opened = tab.open().json()
    assert (opened["draft"], opened["last"]) == (2, 0)
    assert opened["start"]["persons"]["1"]["seen"] == task.clip.keyframes()
    tab.act("delete", person="2")
    assert tab.submit().json()["version"] == 2


def test_work_that_was_sent_back_has_remarks_that_are_replied_to(tab, task):
    submitted(tab)
    reject([task], reviewer=make_user("reviewer"), reason="Second 3, person 2: he sits. Redo.")
    data = tab.client.get(f"/datasets/street/tasks/{task.pk}/label/task.json").json()
    assert data["task"]["state"] == "sent back"
    assert [(one["second"], one["person"]) for one in data["remarks"]] == [(2, None), (3, "2")]
    tab.post("reopen", {})
    tab.open()
    tab.act("set", person="2", second=3, answers={"posture": "sit"})
    tab.act("reply", remark=data["remarks"][1]["id"], text="Right.")
    tab.submit()
    version = AnswerVersion.objects.get(number=2)
    assert version.replies == [{"remark": data["remarks"][1]["id"], "text": "Right."}]


def test_answers_from_a_file_can_be_gone_on_with(task):
    document = task_document(task)
    assert receive_answers(task, dump_xml(document)) is not None
    read_answers(AnswerVersion.objects.get().pk)
    tab = new_tab(task, "tab-a")
    assert tab.open().json()["code"] == "submitted"
    tab.post("reopen", {})
    assert set(tab.open().json()["start"]["persons"]) == {"1", "2"}


def test_answers_that_came_meanwhile_are_replaced_only_knowingly(tab, task):
    tab.answer_all()
    receive_answers(task, dump_xml(task_document(task)))
    refused = tab.submit()
    assert (refused.status_code, refused.json()["code"]) == (409, "newer")
    assert "version 1" in refused.json()["error"]
    assert tab.submit(despite=refused.json()["number"]).json()["version"] == 2


def test_a_blind_task_begins_with_nobody(task):
    AnnotationTask.objects.filter(pk=task.pk).update(is_blind=True)
    task.refresh_from_db()
    opened = open_draft(task, holder="a")
    assert opened.draft.start["persons"] == {}
    assert label_data(task, make_user("owner", is_superuser=True))["detections"] == {}


def test_a_revision_begins_with_the_first_answers_unlooked_at_and_replaces_them(tab, task):
    first = submitted(tab)
    bob = make_annotator(task.clip.video.dataset, "bob")
    second = make_task(task.run, bob, revises=task)
    opened = open_draft(second, holder="b")
    lane = opened.draft.start["persons"]["1"]
    assert (lane["answers"]["posture"], lane["seen"]) == ([[2, "walk"]], [])
    assert set(AnnotationTask.objects.counting()) == {task, second}
    kept = {"kind": "keep", "person": "1", "first": 2, "last": LAST}
    append_operations(
        second, holder="b",
        operations=[
            {"id": "a", "number": 1, **kept}, {"id": "b", "number": 2, **kept, "person": "2"},
        ],
    )  # fmt: skip
    version = read_answers(submit(second, holder="b", last=2).pk)
    assert version.author == bob
    assert set(AnnotationTask.objects.counting()) == {second}
    assert first.task not in AnnotationTask.objects.counting()


def test_a_missing_tracks_file_is_a_sentence(task):
    task.run.tracks.storage.delete(task.run.tracks.name)
    refused = new_tab(task, "tab-a").open()
    assert (refused.status_code, refused.json()["code"]) == (409, "cannot begin")
    assert "missing" in refused.json()["error"]


def test_a_crash_while_submitting_leaves_the_draft_open(tab, task, monkeypatch):
    tab.answer_all()

    def kill(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(AnswerDraft, "save", kill)
    with pytest.raises(KeyboardInterrupt):
        tab.submit()
    monkeypatch.undo()
    assert not AnswerVersion.objects.exists()
    assert tab.submit().json()["version"] == 1


def test_the_next_task_is_what_came_back_then_what_is_open(tab, task):
    dataset = task.clip.video.dataset
    clips = make_clips(make_video(dataset, "hall"))
    other = make_task(make_ready_run(clips[0], config_key="test/2"), task.annotator)
    url = f"/datasets/street/tasks/{task.pk}/label/task.json"
    assert tab.client.get(url).json()["next"]["page"].endswith(f"/{other.pk}/label/")
    assert reopen(other).revision == 1
