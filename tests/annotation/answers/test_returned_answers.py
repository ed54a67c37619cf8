"""Answers that cannot be taken: the object is held back, and its annotator is told in CVAT."""

import pytest

from annotation.models import Annotator, AnswerVersion, CvatJob, JobStateChange
from annotation.selectors.cvat import cvat_page, job_lines, job_rows
from annotation.services.answers import confirm_answers
from annotation.services.cvat.projects import resend_tasks
from avaproject.base.work import Stage
from datasets.accounts.notifications import notifications_of
from datasets.models import Member
from tests.cvat_double.steps import (
    FINISHED,
    TASK,
    apply_state_changes,
    read_all,
    reconciled,
    send_waiting,
    sent_world,
)
from tests.make import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def dataset(cvat):
    return sent_world(cvat)


def tracks(cvat):
    return cvat.state.annotations[cvat.job_of(TASK)["task_id"]]["tracks"]


def draw(cvat, **shape):
    label = tracks(cvat)[0]["label_id"]
    one = {"id": 900, "label_id": label, "frame": 25, "group": 0, "source": "manual",
           "attributes": [], "occluded": False, "outside": False, "z_order": 0,
           "rotation": 0.0, "points": [10, 10, 60, 20, 40, 90]}  # fmt: skip
    data = cvat.state.annotations[cvat.job_of(TASK)["task_id"]]
    data["shapes"] = [one | shape]


def fetched(cvat, dataset):
    cvat.set_job(TASK, state="completed")
    reconciled(dataset)
    read_all()
    return AnswerVersion.objects.order_by("-number").first()


def issues(cvat):
    return [(one["frame"], one["_message"]) for one in cvat.state.issues.values()]


def test_a_polygon_is_taken_as_the_box_around_it(cvat, dataset):
    cvat.annotate(TASK, FINISHED)
    draw(cvat, type="polygon")
    version = fetched(cvat, dataset)
    assert (version.stage, version.problems) == (Stage.DONE, [])
    assert any("a polygon was drawn here" in note for note in version.notes)
    assert not JobStateChange.objects.exists()


def test_an_object_without_box_is_held_back_and_the_job_reopened_at_its_frame(cvat, dataset):
    cvat.annotate(TASK, FINISHED)
    draw(cvat, type="skeleton")
    version = fetched(cvat, dataset)
    assert version.stage == Stage.DONE
    assert version.person_count == len(tracks(cvat))
    apply_state_changes()
    ((frame, said),) = issues(cvat)
    assert frame == 25
    assert "an object of the label person at frame 25 is a skeleton" in said
    assert cvat.job_of(TASK)["state"] == "rejected"


def test_an_annotator_with_an_account_is_told_here_too(cvat, dataset):
    kim = make_user("kim")
    Member.objects.create(dataset=dataset, user=kim, role="annotator")
    Annotator.objects.filter(dataset=dataset).update(user=kim)
    cvat.annotate(TASK, FINISHED)
    draw(cvat, type="skeleton")
    version = fetched(cvat, dataset)
    [told] = notifications_of(kim).filter(kind="sent-back")
    assert str(version.task) in told.text
    fetched(cvat, dataset)
    assert notifications_of(kim).get(kind="sent-back").count == 1


def test_an_issue_is_at_the_object(cvat, dataset):
    """Not over the whole frame, where it hides everybody."""
    cvat.annotate(TASK, FINISHED | {"posture": "seated"})
    version = fetched(cvat, dataset)
    first = tracks(cvat)[0]["shapes"][0]
    assert version.problems[0]["box"] == pytest.approx(first["points"])
    apply_state_changes()
    positions = [one["position"] for one in cvat.state.issues.values()]
    assert positions[0] == pytest.approx(first["points"])


def test_a_person_deleted_in_the_job_needs_no_reviewer_to_say_so(cvat, dataset):
    cvat.annotate(TASK, FINISHED)
    gone = tracks(cvat).pop()
    version = fetched(cvat, dataset)
    number = gone["attributes"][0]["value"]
    assert (version.stage, version.missing_persons, version.problems) == (Stage.DONE, [], [])
    assert f"Person {number} was deleted in CVAT." in version.notes


def test_a_person_missing_from_a_file_imported_in_cvat_may_be_lost(cvat, dataset):
    cvat.annotate(TASK, FINISHED)
    gone = tracks(cvat).pop()
    for track in tracks(cvat):
        track["source"] = "file"  # CVAT's word for what an imported file brought
    version = fetched(cvat, dataset)
    assert version.missing_persons == [int(gone["attributes"][0]["value"])]


def test_corrected_answers_are_a_new_version_and_the_old_one_is_history(cvat, dataset):
    cvat.annotate(TASK, FINISHED)
    draw(cvat, type="skeleton")
    fetched(cvat, dataset)
    apply_state_changes()
    cvat.state.annotations[cvat.job_of(TASK)["task_id"]]["shapes"] = []
    version = fetched(cvat, dataset)
    assert (version.number, version.problems) == (2, [])
    assert cvat_page(dataset).refused == 0


def test_answers_that_come_again_unchanged_are_not_returned_a_second_time(cvat, dataset):
    cvat.annotate(TASK, FINISHED)
    draw(cvat, type="skeleton")
    fetched(cvat, dataset)
    apply_state_changes()
    fetched(cvat, dataset)
    assert apply_state_changes() == []
    assert JobStateChange.objects.count() == 1


def test_refused_answers_do_not_count_as_fetched(cvat, dataset):
    data = cvat.state.annotations[cvat.job_of(TASK)["task_id"]]
    data["tracks"] = []
    version = fetched(cvat, dataset)
    assert (version.stage, version.is_held_back) == (Stage.FAILED, True)
    page = cvat_page(dataset)
    assert (page.finished, page.fetched, page.refused) == (1, 0, 1)
    (line,) = job_lines(list(job_rows(dataset)))
    assert line["state"].label == "Answers refused"
    assert "it has nobody" in line["message"]
    apply_state_changes()
    assert cvat.job_of(TASK)["state"] == "rejected"


def test_answers_accepted_as_they_are_finish_the_job_again(cvat, dataset):
    cvat.state.annotations[cvat.job_of(TASK)["task_id"]]["tracks"] = []
    version = fetched(cvat, dataset)
    apply_state_changes()
    assert confirm_answers(version, user=make_user("rita"))
    read_all()
    apply_state_changes()
    version.refresh_from_db()
    assert version.stage == Stage.DONE
    assert cvat.job_of(TASK)["state"] == "completed"
    assert [one["resolved"] for one in cvat.state.issues.values()] == [True]


def test_a_changed_person_id_is_asked_back_while_that_person_is_missing(cvat, dataset):
    cvat.annotate(TASK, FINISHED)
    tracks(cvat)[0]["attributes"][0]["value"] = "99"
    version = fetched(cvat, dataset)
    (problem,) = version.problems
    assert "the person_id 99 is of nobody in this clip" in problem["text"]
    assert problem["box"] == tracks(cvat)[0]["shapes"][0]["points"]
    assert version.missing_persons


def test_another_label_is_named(cvat, dataset):
    cvat.annotate(TASK, FINISHED)
    project = cvat.job_of(TASK)["project_id"]
    cvat.state._add_label(project, {"name": "car"})
    number = max(cvat.state.labels)
    draw(cvat, type="rectangle", label_id=number, points=[1, 1, 9, 9])
    version = fetched(cvat, dataset)
    assert any("the label car" in note for note in version.notes)


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        pytest.param("", ("annotation", "completed"), id="answered"),
        pytest.param("approved", ("acceptance", "completed"), id="approved"),
        pytest.param("rejected", ("annotation", "rejected"), id="rejected"),
    ],
)
def test_an_answered_task_sent_again_has_the_state_it_has_here(
    cvat, dataset, verdict, expected
):
    cvat.annotate(TASK, FINISHED)
    version = fetched(cvat, dataset)
    row = CvatJob.objects.get()
    if verdict:
        JobStateChange.objects.create(
            job=row, version=version, verdict=verdict, review=1, stage=Stage.DONE
        )
    with cvat.state.lock:
        cvat.state.delete_task(row.cvat_task_id)
    reconciled(dataset)
    resend_tasks(CvatJob.objects.all())
    send_waiting()
    job = cvat.job_of(TASK)
    assert (job["stage"], job["state"]) == expected
    reconciled(dataset)
    assert AnswerVersion.objects.count() == 1
