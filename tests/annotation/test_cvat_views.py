import pytest
from django.urls import reverse

from annotation.models import (
    Annotator,
    CvatJob,
    CvatProject,
    CvatServer,
    Reconciliation,
    WebhookDelivery,
)
from annotation.selectors.cvat import cvat_page, job_state
from annotation.services.cvat.connection import check_connection
from annotation.services.cvat.deliveries import count_forgery
from annotation.services.cvat.organisation_members import InviteError, invite
from avaproject.base.work import Stage
from datasets.models import Member
from tests.cvat_double.steps import (
    FINISHED,
    TASK,
    job_named,
    make_server,
    make_world,
    post_delivery,
    project_of,
    read_all,
    reconciled,
    send_waiting,
    sent_world,
    set_up,
    task_named,
)
from tests.make import make_dataset, make_user

pytestmark = pytest.mark.django_db
PAGES = ["cvat", "cvat_boxes", "cvat_connect", "cvat_deliveries", "cvat_members"]
POSTS = ["cvat_send", "cvat_pause", "cvat_sync", "cvat_replay", "cvat_add", "cvat_invite"]


@pytest.fixture
def admin():
    return make_user("ada")


@pytest.fixture
def world(cvat, admin, client):
    client.force_login(admin)
    return sent_world(cvat, owner=admin)


def test_the_boxes_of_one_task_and_version_are_a_table(cvat, world, client):
    for posture in ("walk", "sit"):
        cvat.finish(TASK, {"posture": posture})
        reconciled(world)
        read_all()
    task = task_named(TASK)

    def table(**query):
        answer = client.get(url("cvat_boxes"), {"task": task.pk, **query})
        return b"".join(answer.streaming_content).decode()

    assert "sit" in table()
    assert "walk" not in table()
    assert "walk" in table(version=1)
    assert table(version=9).count("\n") == 1
    for query in ({"task": "0"}, {"task": "x"}, {"task": "²"}):
        assert client.get(url("cvat_boxes"), query).status_code == 404
    odd = client.get(url("cvat_boxes"), {"task": task.pk, "version": '1"\n²'})
    assert odd["Content-Disposition"] == f'attachment; filename="{TASK}-annotations.csv"'
    task.annotator.name = "Zoë"
    task.annotator.save()
    named = client.get(url("cvat_boxes"), {"task": task.pk})["Content-Disposition"]
    assert named == "attachment; filename*=utf-8''aisle-c0000--Zo%C3%AB-annotations.csv"
    assert f"?task={task.pk}" in client.get(url("cvat")).content.decode()


@pytest.fixture
def operator(client):
    user = make_user("opal")
    user.is_staff = True
    user.save()
    client.force_login(user)
    return client


def url(page, *more, dataset="shop"):
    return reverse(f"annotation:{page}", args=[dataset, *more])


def text(response):
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_for_its_admin_and_not_for_strangers(client, world, page):
    assert client.get(url(page)).status_code == 200
    client.force_login(make_user())
    assert client.get(url(page)).status_code == 404
    client.logout()
    assert client.get(url(page)).status_code == 302


@pytest.mark.parametrize("page", POSTS)
def test_only_admins_change_anything_and_only_by_post(client, world, page):
    assert client.get(url(page)).status_code == 405
    reviewer = make_user()
    Member.objects.create(dataset=world, user=reviewer, role="reviewer")
    client.force_login(reviewer)
    assert client.post(url(page)).status_code == 404
    assert client.post(url("cvat_retry", "failed")).status_code == 404
    text(client.get(url("cvat")))


def test_a_dataset_that_is_not_in_cvat_says_what_to_do(client, admin, cvat):
    make_dataset("shop", owner=admin)
    client.force_login(admin)
    assert "Ask an operator" in text(client.get(url("cvat")))
    make_server(cvat)
    assert "Connect to CVAT" in text(client.get(url("cvat")))


def test_connecting_creates_a_project_row_to_set_up(client, admin, cvat):
    make_dataset("shop", owner=admin)
    server = make_server(cvat)
    client.force_login(admin)
    client.post(url("cvat_connect"), {"server": server.pk})
    project = CvatProject.objects.get()
    assert (project.server, project.stage) == (server, Stage.WAITING)
    assert "being set up" in text(client.get(url("cvat")))
    set_up(project.dataset)
    assert "posture" in cvat.state.guides[1]["markdown"]


def test_a_dataset_cannot_move_to_another_server(client, world, cvat):
    other = CvatServer.objects.create(name="other", url="http://other.example.org")
    page = text(client.post(url("cvat_connect"), {"server": other.pk}))
    assert "cannot be moved" in page
    assert project_of(world).server.name == "lab"


def test_sending_from_the_page(client, admin, cvat):
    dataset = make_world(cvat, owner=admin, clips=2)
    set_up(dataset)
    client.force_login(admin)
    assert "Send 2 tasks" in text(client.get(url("cvat")))
    client.post(url("cvat_send"))
    page = cvat_page(dataset)
    assert (page.waiting, page.unsent, page.is_sending) == (2, 0, True)
    client.post(url("cvat_pause"))
    assert "Resume sending" in text(client.get(url("cvat")))
    client.post(url("cvat_send"))
    send_waiting()
    page = cvat_page(dataset)
    assert (page.sent, page.percent) == (2, 100.0)


def test_the_page_shows_finished_and_fetched_jobs_and_the_lag(client, world, cvat):
    cvat.finish(TASK, FINISHED)
    CvatJob.objects.update(cvat_state="completed")
    page = cvat_page(world)
    assert (page.finished, page.fetched) == (1, 0)
    assert page.lag is not None
    reconciled(world)
    page = cvat_page(world)
    assert (page.finished, page.fetched, page.lag) == (1, 1, None)
    assert "1 new version" in text(client.get(url("cvat"), headers={"HX-Request": "true"}))


def test_a_sync_is_requested_from_the_page(client, world):
    client.post(url("cvat_sync"))
    client.post(url("cvat_sync"))
    assert Reconciliation.objects.get().is_full


def test_a_failed_task_is_shown_with_its_message_and_retried(client, world, cvat):
    CvatJob.objects.update(stage=Stage.FAILED, error="ann is not a member")
    page = text(client.get(url("cvat")))
    assert "ann is not a member" in page
    assert "Sending failed" in page
    client.post(url("cvat_retry", "failed"), {"pk": CvatJob.objects.get().pk})
    assert CvatJob.objects.get().stage == Stage.WAITING


def test_a_deleted_task_is_shown_and_resent(client, world, cvat):
    cvat.state.delete_task(job_named(TASK).cvat_task_id)
    reconciled(world)
    assert "Deleted in CVAT" in text(client.get(url("cvat")))
    client.post(url("cvat_retry", "deleted"))
    send_waiting()
    assert job_state(job_named(TASK)).label == "New"


def test_a_deleted_project_is_recreated_from_the_page(client, world, cvat):
    for number in list(cvat.state.tasks):
        cvat.state.delete_task(number)
    del cvat.state.projects[1]
    reconciled(world)
    assert text(client.get(url("cvat"))).count("Recreate project") == 1
    client.post(url("cvat_retry", "project"))
    assert set_up(world).project_id == 2
    assert "Recreate project" not in text(client.get(url("cvat")))


def test_with_cvat_down_the_page_shows_one_message(client, world, cvat):
    cvat.stop()
    reconciled(world)
    page = text(client.get(url("cvat")))
    assert "cannot be reached" in page.partition("will be retried automatically")[0]


def test_invalid_signatures_are_counted_on_the_page(client, world):
    count_forgery(CvatServer.objects.get())
    assert "1 delivery had an invalid" in text(client.get(url("cvat")))


def test_deliveries_are_listed_and_replayed(client, world, cvat):
    server = CvatServer.objects.get()
    post_delivery(server, b'{"event": "ping", "note": "<script>"}')
    body = (
        b'{"event":"update:job","job":{"id":1,"project_id":1},"before_update":{"state":"new"}}'
    )
    post_delivery(server, body)
    WebhookDelivery.objects.update(stage=Stage.DONE)
    page = text(client.get(url("cvat_deliveries")))
    assert "ping: the webhook works" in page
    assert "<script>" not in page.split("<main")[1]
    client.post(url("cvat_replay"), {"pk": WebhookDelivery.objects.get(event="update:job").pk})
    assert WebhookDelivery.objects.get(event="update:job").stage == Stage.WAITING
    assert WebhookDelivery.objects.get(event="ping").stage == Stage.DONE


def test_the_deliveries_of_other_datasets_are_not_shown(client, world):
    server = CvatServer.objects.get()
    body = (
        b'{"event":"update:job","job":{"id":9,"project_id":7},"before_update":{"state":"new"}}'
    )
    post_delivery(server, body)
    assert "No deliveries yet" in text(client.get(url("cvat_deliveries")))


def test_members_are_loaded_by_htmx_and_added_as_annotators(client, world):
    asked = {"HX-Request": "true"}
    assert "Loading members from CVAT" in text(client.get(url("cvat_members")))
    page = text(client.get(url("cvat_members"), headers=asked))
    assert [name in page for name in ("ann", "bob", "cem")] == [True] * 3
    client.post(url("cvat_add"), {"names": ["bob", "cem"]})
    assert set(Annotator.objects.values_list("name", flat=True)) == {"ann", "bob", "cem"}


@pytest.mark.parametrize("names", [[], ["nobody"]])
def test_only_members_become_annotators(client, world, names):
    client.post(url("cvat_add"), {"names": names})
    assert Annotator.objects.count() == 1


def test_members_who_cannot_be_added_have_a_reason(client, world, cvat):
    cvat.add_user("dan@example.org")
    cvat.add_user("d/n")
    number = cvat.add_user("eve", is_member=False)
    cvat.state.add_member(number, role="worker", is_active=False)
    page = text(client.get(url("cvat_members"), {"now": "1"}))
    assert "has not accepted the invitation yet" in page
    assert "the signs @ . + - _ only" in page
    assert 'value="dan@example.org"' in page


def test_members_with_cvat_down_is_a_message(client, world, cvat):
    cvat.stop()
    assert "cannot be reached" in text(client.get(url("cvat_members"), {"now": "1"}))
    assert client.post(url("cvat_add"), {"names": ["bob"]}).status_code == 302


def test_inviting_somebody_with_an_account(client, world, cvat):
    cvat.add_user("fay", is_member=False)
    client.post(url("cvat_invite"), {"email": "fay@example.com"})
    assert "fay" in [one["user"]["username"] for one in cvat.state.members.values()]


@pytest.mark.parametrize(
    ("email", "message"),
    [("new@example.com", "CVAT has no e-mail backend"), ("ann@example.com", "was not invited")],
)
def test_a_failed_invitation_says_what_to_do(world, email, message):
    with pytest.raises(InviteError, match=message):
        invite(CvatServer.objects.get(), email)


def test_every_state_of_a_job_has_a_name(world, cvat):
    row = job_named(TASK)
    cvat.finish(TASK, FINISHED)
    reconciled(world)
    read_all()
    labels = [job_state(job_named(TASK)).label]
    for changes in (
        {"fetched_at": None}, {"cvat_state": "in progress"}, {"cvat_state": "rejected"},
        {"cvat_stage": "acceptance"}, {"edited_at": row.changed_at}, {"stage": "running"},
    ):  # fmt: skip
        CvatJob.objects.update(**changes)
        labels.append(job_state(job_named(TASK)).label)
    assert labels == [
        "Finished", "Finished, not fetched yet", "In progress", "Rejected", "Accepted",
        "Edited after approval", "Sending",
    ]  # fmt: skip


def test_servers_are_for_operators_alone(client, admin, cvat):
    make_server(cvat)
    client.force_login(admin)
    for page, more in (("servers", []), ("server_new", []), ("server", ["lab"])):
        assert client.get(reverse(f"annotation:{page}", args=more)).status_code == 404
    assert client.post(reverse("annotation:server_test", args=["lab"])).status_code == 404


def test_a_server_is_added_tested_and_shown_without_its_token(operator, cvat):
    assert "No CVAT server yet" in text(operator.get(reverse("annotation:servers")))
    values = {"name": "lab", "url": cvat.url, "organisation": "avalab", "token": cvat.token}
    page = operator.post(reverse("annotation:server_new"), values, follow=True)
    assert "Testing the connection" in text(page)
    check_connection(CvatServer.objects.get().pk)
    page = text(operator.get(reverse("annotation:server", args=["lab"])))
    assert "Signed in to CVAT 2.54.1 as admin" in page
    form = text(operator.get(reverse("annotation:server_edit", args=["lab"])))
    assert cvat.token not in page + form
    assert "lab" in text(operator.get(reverse("annotation:servers")))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"token": ""}, "Enter a token"),
        ({"token": "", "password": "x"}, "Enter the user name for this password"),
        ({"url": "ftp://x"}, "Enter it as https://"),
        ({"name": "new"}, "This name is reserved"),
    ],
)
def test_a_missing_value_is_reported_at_its_field(operator, cvat, change, message):
    values = {"name": "lab", "url": cvat.url, "token": "t"} | change
    assert message in text(operator.post(reverse("annotation:server_new"), values))
    assert not CvatServer.objects.exists()


def test_a_server_is_edited_without_entering_its_token_again(operator, cvat):
    make_server(cvat)
    values = {"name": "lab", "url": cvat.url, "organisation": ""}
    operator.post(reverse("annotation:server_edit", args=["lab"]), values)
    server = CvatServer.objects.get()
    assert (server.organisation, server.token) == ("", cvat.token)


def test_a_stored_token_is_not_sent_to_a_new_address(operator, cvat):
    make_server(cvat)
    values = {"name": "lab", "url": "https://elsewhere.example.org"}
    address = reverse("annotation:server_edit", args=["lab"])
    assert "not sent to a new address" in text(operator.post(address, values))
    assert CvatServer.objects.get().url == cvat.url
    operator.post(address, values | {"token": "new"})
    server = CvatServer.objects.get()
    assert (server.url, server.token) == (values["url"], "new")


def test_a_server_in_use_is_not_removed(operator, cvat):
    make_world(cvat)
    page = operator.post(reverse("annotation:server_delete", args=["lab"]), follow=True)
    assert "datasets are connected to it" in text(page)
    CvatProject.objects.all().delete()
    operator.post(reverse("annotation:server_delete", args=["lab"]))
    assert not CvatServer.objects.exists()


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("https://cvat.example.org/projects/3?page=2", "https://cvat.example.org"),
        ("http://cvat_server:8080/", "http://cvat_server:8080"),
        ("cvat.example.org", "https://cvat.example.org"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_an_address_is_kept_without_the_page_it_was_copied_from(operator, typed, kept):
    operator.post(reverse("annotation:server_new"), {"name": "lab", "url": typed, "token": "t"})
    assert CvatServer.objects.get().url == kept


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("ftp://cvat", "Enter it as https://"),
        ("https://", "Enter it as https://"),
        ("http://a b", "Enter it as https://"),
        ("http://x:99999", "Enter it as https://"),
        ("https://kim:secret@cvat.example.org", "in their own fields"),
        ("", "required"),
    ],
)
def test_an_invalid_address_is_refused(operator, typed, message):
    entered = {"name": "lab", "url": typed, "token": "t"}
    page = operator.post(reverse("annotation:server_new"), entered)
    assert message in page.content.decode()
    assert not CvatServer.objects.exists()
