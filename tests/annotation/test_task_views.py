import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.urls import reverse

from annotation.forms.tasks import PlanForm
from annotation.models import AnnotationTask, AnswerVersion
from datasets.models import Member
from tests.make import (
    make_annotator,
    make_clips,
    make_dataset,
    make_run,
    make_task,
    make_user,
    make_version,
    make_video,
)
from tracking.models import IdentityRun

pytestmark = pytest.mark.django_db

SHARES = {"annotators": "kim, lee", "overlap": "100", "per_clip": "", "seed": "0"}


@pytest.fixture
def admin():
    return make_user()


@pytest.fixture
def dataset(admin):
    return make_dataset("shop", owner=admin)


@pytest.fixture
def clips(dataset):
    """The clips of a video whose persons are named."""
    video = make_video(dataset, "aisle")
    IdentityRun.objects.create(video=video, config_key="test/1", stage="done", person_count=2)
    clips = make_clips(video)
    for clip in clips:
        make_run(clip)
    return clips


@pytest.fixture
def task(dataset, clips):
    name = default_storage.save("shop/packages/a.zip", ContentFile(b"package"))
    run = clips[0].tracking_runs.get()
    return make_task(run, make_annotator(dataset, "kim"), package=name)


def plan_url():
    return reverse("annotation:plan", args=["shop"])


def answers_url():
    return reverse("annotation:answers", args=["shop"])


def test_clips_are_assigned(client, admin, clips):
    client.force_login(admin)
    assert "3 clips ready" in client.get(plan_url()).content.decode()
    shown = client.get(plan_url(), SHARES)
    assert not AnnotationTask.objects.exists()
    assert "Assign 6 tasks" in shown.content.decode()
    digest = shown.context["forecast"].digest
    response = client.post(plan_url(), SHARES | {"digest": digest})
    assert response["Location"] == reverse("qc:tasks", args=["shop"])
    assert AnnotationTask.objects.count() == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"annotators": " , "}, "Name at least one", id="nobody"),
        pytest.param({"annotators": "kim, l€e"}, "a user name has letters", id="not a name"),
        pytest.param({"overlap": "120"}, "less than or equal to 100", id="overlap"),
        pytest.param({"per_clip": "3"}, "only 2 annotators", id="too many per clip"),
        pytest.param({"annotators": "kim"}, "overlap needs two or more", id="alone"),
        pytest.param(
            {"annotators": " ".join(f"a{n}" for n in range(101))}, "too many", id="a crowd"
        ),
        pytest.param({"annotators": "kim: many, lee"}, "not a number of hours", id="hours"),
        pytest.param({"blind": "101"}, "less than or equal to 100", id="blind"),
        pytest.param({"pace": "0"}, "greater than or equal to 0.1", id="pace"),
        pytest.param({"seed": "99999999999"}, "less than or equal to", id="seed"),
    ],
)
def test_an_invalid_plan_is_refused_with_a_message(client, admin, clips, change, message):
    client.force_login(admin)
    for ask in (client.get, client.post):
        assert message in ask(plan_url(), SHARES | change).content.decode()
    assert not AnnotationTask.objects.exists()


def test_many_clips_are_planned_when_the_page_is_there(client, admin, clips, monkeypatch):
    monkeypatch.setattr("annotation.views.tasks.CLIPS_AT_ONCE", len(clips) - 1)
    client.force_login(admin)
    page = client.get(plan_url(), SHARES)
    assert "forecast" not in page.context
    assert f"Planning {len(clips)} clips" in page.content.decode()
    for asked in (
        client.get(plan_url(), SHARES, headers={"HX-Request": "true"}),
        client.get(plan_url(), SHARES | {"now": "1"}),
    ):
        assert asked.context["forecast"].task_count
        assert 'hx-trigger="load"' not in asked.content.decode()


def test_of_many_planned_clips_the_first_are_listed(client, admin, clips, monkeypatch):
    monkeypatch.setattr("annotation.views.tasks.PLANNED_CLIPS_SHOWN", 1)
    client.force_login(admin)
    page = client.get(plan_url(), SHARES).content.decode()
    assert f"The first 1 of {len(clips)} clips." in page


def test_whoever_is_alone_gets_all_clips_by_one_press(client, clips, dataset):
    user = make_user("solo")
    Member.objects.create(dataset=dataset, user=user, role=Member.Role.OWNER)
    client.force_login(user)
    page = client.get(plan_url())
    assert (page.context["forecast"].task_count, page.context["form"].errors) == (3, {})
    values = {field.name: field.value() for field in page.context["form"]}
    plan = {name: "" if value is None else value for name, value in values.items()}
    assert (plan["annotators"], plan["overlap"]) == ("solo", 0)
    answer = client.post(plan_url(), plan | {"digest": page.context["forecast"].digest})
    assert answer["Location"] == reverse(
        "qc:overview", args=["shop"]
    )  # where labelling is next
    assert AnnotationTask.objects.own(user).count() == 3
    assert "forecast" not in client.get(plan_url()).context  # nothing is left to assign


def test_a_name_that_no_annotator_can_have_is_not_proposed(client, clips, dataset):
    user = make_user("a b")
    Member.objects.create(dataset=dataset, user=user, role=Member.Role.OWNER)
    client.force_login(user)
    page = client.get(plan_url())
    assert not page.context["form"].is_bound


def test_a_plan_that_changed_is_previewed_again_and_not_assigned(client, admin, dataset, clips):
    client.force_login(admin)
    digest = client.get(plan_url(), SHARES).context["forecast"].digest
    make_task(clips[0].tracking_runs.get(), make_annotator(dataset, "kim"))
    page = client.post(plan_url(), SHARES | {"digest": digest})
    assert "No tasks were assigned" in page.content.decode()
    assert page.context["forecast"].digest != digest
    assert AnnotationTask.objects.count() == 1


def test_the_form_starts_with_the_last_request(client, admin, clips):
    client.force_login(admin)
    client.post(plan_url(), SHARES | {"annotators": "kim: 20, lee", "blind": "10", "pace": "8"})
    form = client.get(plan_url()).context["form"]
    assert form.initial["annotators"] == "kim: 20\nlee"
    assert (form.initial["overlap"], form.initial["blind"], form.initial["pace"]) == (
        100,
        10,
        8,
    )


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("kim lee", {"kim": None, "lee": None}),
        ("kim : 20\nlee: 7.5h, 42", {"kim": 20, "lee": 7.5, "42": None}),
        (" kim,;, kim:3 ", {"kim": 3}),
    ],
)
def test_hours_may_follow_a_name(text, hours):
    form = PlanForm({"annotators": text, "overlap": 0, "seed": 0})
    assert form.is_valid()
    assert form.cleaned_data["annotators"] == hours


def test_open_tasks_can_be_unassigned_and_reassigned(client, admin, task):
    client.force_login(admin)
    assert "Unassign 1 task" in client.get(plan_url()).content.decode()
    unassign = reverse("annotation:unassign", args=["shop"])
    page = client.post(unassign, {"annotator": task.annotator_id}, follow=True)
    assert "1 task unassigned from kim" in page.content.decode()
    assert client.post(unassign, {"annotator": "x"}).status_code == 404
    reassign = reverse("annotation:reassign", args=["shop"])
    page = client.post(reassign, {"annotator": task.annotator_id}, follow=True)
    assert "1 task assigned to kim again" in page.content.decode()


def test_gold_clips_come_from_answers_or_from_an_expert(client, admin, task):
    client.force_login(admin)
    gold = reverse("annotation:gold", args=["shop"])
    gold_tasks = reverse("annotation:gold_tasks", args=["shop"])
    page = client.post(gold, {"task": str(task)}, follow=True)
    assert "no answers yet" in page.content.decode()
    make_version(task)
    page = client.post(gold, {"task": f" {task} "}, follow=True)
    assert "is a gold clip, with the answers of kim" in page.content.decode()
    page = client.post(gold_tasks, {"annotator": "boss", "count": "1"}, follow=True)
    assert "1 gold clip assigned to boss" in page.content.decode()
    assert "waiting for the answers of boss" in page.content.decode()
    page = client.post(gold, {"task": str(task), "remove": "1"}, follow=True)
    assert "is no longer a gold clip" in page.content.decode()
    assert "no task called" in client.post(gold, {"task": "x"}, follow=True).content.decode()
    assert "Expert" in client.post(gold_tasks, {"count": "1"}, follow=True).content.decode()


@pytest.mark.parametrize("name", ["unassign", "reassign", "gold", "gold_tasks"])
def test_only_an_admin_changes_assignments(client, dataset, task, name):
    url = reverse(f"annotation:{name}", args=["shop"])
    reviewer = make_user()
    Member.objects.create(dataset=dataset, user=reviewer, role=Member.Role.REVIEWER)
    client.force_login(reviewer)
    assert client.post(url, {"annotator": task.annotator_id, "task": task}).status_code == 404
    assert client.get(url).status_code == 405


def test_the_page_says_when_nothing_is_ready(client, admin, dataset):
    client.force_login(admin)
    assert "No clip is ready yet" in client.get(plan_url()).content.decode()


def test_a_reviewer_assigns_nothing(client, dataset, clips):
    reviewer = make_user()
    Member.objects.create(dataset=dataset, user=reviewer, role=Member.Role.REVIEWER)
    client.force_login(reviewer)
    assert client.post(plan_url(), SHARES).status_code == 404
    assert not AnnotationTask.objects.exists()


def test_a_package_can_be_downloaded(client, admin, task):
    client.force_login(admin)
    response = client.get(reverse("annotation:package", args=["shop", task.pk]))
    assert f"{task}.zip" in response["Content-Disposition"]
    assert b"".join(response.streaming_content) == b"package"


def test_a_stranger_gets_no_package_and_sends_no_answers(client, task):
    client.force_login(make_user())
    assert client.get(reverse("annotation:package", args=["shop", task.pk])).status_code == 404
    assert client.post(answers_url()).status_code == 404
    assert client.post(reverse("annotation:retry", args=["shop", "task"])).status_code == 404


def test_what_is_no_answer_file_is_refused(client, admin, task):
    client.force_login(admin)
    wrong = ContentFile(b"x", name="notes.txt")
    page = client.post(answers_url(), {"answers": [wrong]}, follow=True)
    assert "notes.txt is not an answer file" in page.content.decode()


def test_an_upload_of_nothing_says_what_to_do(client, admin, task):
    client.force_login(admin)
    page = client.post(answers_url(), {"task": task.pk}, follow=True)
    assert 'class="msg error"' in page.content.decode()


def test_a_file_for_an_unknown_task_is_refused_with_its_name(client, admin, task):
    client.force_login(admin)
    wrong = ContentFile(b"<annotations/>", name="nobody--none.xml")
    page = client.post(answers_url(), {"answers": [wrong]}, follow=True)
    assert "nobody--none.xml" in page.content.decode()
    assert not AnswerVersion.objects.exists()


def test_one_tasks_answers_may_have_any_name(client, admin, task):
    client.force_login(admin)
    file = ContentFile(b"<annotations/>", name="job 17.xml")
    page = client.post(answers_url(), {"answers": [file], "task": task.pk}, follow=True)
    text = page.content.decode()
    assert f"{task}.xml" in text or "1 answer file imported" in text


def test_a_failed_package_is_retried(client, admin, task):
    AnnotationTask.objects.update(stage="failed", error="no frames")
    client.force_login(admin)
    client.post(reverse("annotation:retry", args=["shop", "task"]), {"pk": task.pk})
    task.refresh_from_db()
    assert task.stage == "waiting"


def test_changes_need_a_post(client, admin, task):
    client.force_login(admin)
    for url in (answers_url(), reverse("annotation:retry", args=["shop", "task"])):
        assert client.get(url).status_code == 405
