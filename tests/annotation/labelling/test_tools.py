"""Who annotates where: the tool of an annotator, and revisions."""

import pytest
from django.urls import reverse

from annotation.models import AnnotationTask, Annotator
from annotation.services.assign_tasks import PlanError, assign_revision, choose_tool
from qc.selectors.clip_and_task_states import tasks_with_state
from qc.selectors.task_list import task_rows
from tests.make import make_annotator, make_user, make_version


def test_tasks_go_to_cvat_unless_their_annotator_has_another_tool(task):
    assert task in AnnotationTask.objects.for_cvat()
    choose_tool(task.annotator, Annotator.Tool.LABEL_PAGE)
    assert task not in AnnotationTask.objects.for_cvat()
    choose_tool(task.annotator, "")
    assert task in AnnotationTask.objects.for_cvat()


def test_a_tool_that_there_is_not_is_refused(task):
    with pytest.raises(PlanError, match="fax"):
        choose_tool(task.annotator, "fax")


def test_tools_and_revisions_are_chosen_on_the_page_of_the_plan(client, task):
    client.force_login(make_user(is_superuser=True))
    dataset = task.clip.video.dataset
    bob = make_annotator(dataset, "bob")
    make_version(task)
    chosen = {"annotator": bob.pk, "tool": "label page"}
    client.post(reverse("annotation:tool", args=[dataset.name]), chosen)
    bob.refresh_from_db()
    assert bob.tool == Annotator.Tool.LABEL_PAGE
    revised = {"annotator": bob.pk, "task": str(task)}
    page = client.post(reverse("annotation:revise", args=[dataset.name]), revised, follow=True)
    assert f"bob revises {task}" in page.content.decode()
    assert AnnotationTask.objects.get(annotator=bob).revises == task


def test_only_answers_are_revised_and_by_somebody_without_the_clip(task):
    bob = make_annotator(task.clip.video.dataset, "bob")
    with pytest.raises(PlanError, match="no answers"):
        assign_revision(task, bob)
    make_version(task)
    with pytest.raises(PlanError, match="already"):
        assign_revision(task, task.annotator)
    assert assign_revision(task, bob) == assign_revision(task, bob)


def test_a_task_is_in_progress_once_somebody_has_begun(tab, task):
    dataset = task.clip.video.dataset
    [row] = task_rows(list(tasks_with_state(dataset)))
    assert (row.state.label, row.draft) == ("Assigned", None)
    tab.send(
        tab.operation("keep", person="1", first=2, last=4, answers={}),
        progress={"done": 3, "total": 26},
    )
    [row] = task_rows(list(tasks_with_state(dataset)))
    assert (row.state.label, row.draft.done, row.draft.total) == ("In progress", 3, 26)
