"""Notifications: who is told what, the bell, e-mail, and signed webhooks that are retried."""

import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from annotation.core.assignment_plan import PlanRequest
from annotation.models import CvatProject, CvatServer
from annotation.services.assign_tasks import assign
from annotation.services.cvat.deferral import (
    UNREACHABLE_AFTER,
    client_for,
    retry_now,
    retrying,
)
from datasets.accounts.activity import acting
from datasets.accounts.notifications import (
    Kind,
    choose_email,
    mark_read,
    notifications_of,
    notify,
    unread_count,
)
from datasets.models import Member, Notification, OutgoingMessage
from qc.services.review.verdicts import reject
from tests.make import (
    make_annotator,
    make_clips,
    make_dataset,
    make_run,
    make_user,
    make_version,
    make_video,
)
from tracking.models import IdentityRun
from workers.team.email_and_webhooks import (
    MAX_RETRIES,
    WebhookError,
    add_webhook,
    send_message,
    signature,
)
from workers.team.failures import plan_failures

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return make_user("boss")


@pytest.fixture
def dataset(owner):
    return make_dataset("shop", owner=owner)


@pytest.fixture
def ann(dataset):
    user = make_user("ann")
    user.email = "ann@example.org"
    user.save()
    Member.objects.create(dataset=dataset, user=user, role="annotator")
    make_annotator(dataset, "ann", user=user)
    return user


@pytest.fixture
def receiver():
    """A server on this machine that keeps what it gets; `answers` are its next statuses."""
    calls, answers = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            calls.append((dict(self.headers), body))
            self.send_response(answers.pop(0) if answers else 200)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", calls, answers
    server.shutdown()
    thread.join()
    server.server_close()


def tell(dataset, user, text="A release is ready.", kind=Kind.RELEASE_READY):
    notify(dataset, kind, users=[user.pk], text=text, url="/datasets/shop/releases/")


def kinds_of(user):
    return [one.kind for one in notifications_of(user)]


def test_an_annotator_is_told_of_work_and_of_work_that_comes_back(dataset, owner, ann):
    video = make_video(dataset, frame_count=450)
    IdentityRun.objects.create(video=video, config_key="test/1", stage="done")
    make_run(make_clips(video)[0])
    with acting(owner):
        assign(dataset, PlanRequest(("ann",), 0.0))
        task = dataset.annotators.get().tasks.get()
        make_version(task)
        reject([task], reviewer=owner, reason="person 2 sits")
    assert set(kinds_of(ann)) == {"assigned", "sent-back"}
    assert not notifications_of(owner).exists()


def test_whoever_does_it_is_not_told(dataset, owner):
    with acting(owner):
        tell(dataset, owner)
    assert unread_count(owner) == 0


def test_equal_notifications_are_counted_until_they_are_read(dataset, owner):
    tell(dataset, owner)
    tell(dataset, owner)
    assert Notification.objects.get().count == 2
    mark_read(owner)
    tell(dataset, owner)
    assert (Notification.objects.count(), unread_count(owner)) == (2, 1)


def test_former_members_see_none_any_more(dataset, ann):
    tell(dataset, ann)
    assert notifications_of(ann).count() == 1
    Member.objects.filter(user=ann).delete()
    assert not notifications_of(ann).exists()


def test_the_bell_counts_and_a_notification_opens_its_page(dataset, owner):
    tell(dataset, owner)
    client = Client()
    client.force_login(owner)
    assert "1<span" in client.get(reverse("datasets:list")).content.decode()
    page = client.get(reverse("workers:notifications")).content.decode()
    assert "A release is ready." in page
    one = Notification.objects.get()
    answer = client.post(reverse("workers:notifications-read"), {"notification": one.pk})
    assert answer["Location"] == "/datasets/shop/releases/"
    assert unread_count(owner) == 0


def test_nobody_reads_the_notifications_of_another(dataset, owner, ann):
    tell(dataset, owner)
    client = Client()
    client.force_login(ann)
    one = Notification.objects.get()
    client.post(reverse("workers:notifications-read"), {"notification": one.pk})
    assert unread_count(owner) == 1
    page = client.get(reverse("workers:notifications")).content.decode()
    assert "A release is ready." not in page


def test_new_ones_are_sent_by_e_mail_where_there_is_a_server_and_it_is_wanted(
    dataset, ann, settings
):
    tell(dataset, ann)
    assert not OutgoingMessage.objects.exists()
    settings.EMAIL_URL, settings.PUBLIC_URL = "smtp://localhost", "https://ava.example.org"
    mark_read(ann)
    tell(dataset, ann)
    tell(dataset, ann)  # counted with the one that is unread
    send_message(OutgoingMessage.objects.get().pk)
    [sent] = mail.outbox
    assert sent.to == ["ann@example.org"]
    assert "https://ava.example.org/datasets/shop/releases/" in sent.body
    send_message(OutgoingMessage.objects.get().pk)
    assert len(mail.outbox) == 1
    choose_email(ann, wants_email=False)
    mark_read(ann)
    tell(dataset, ann)
    assert OutgoingMessage.objects.count() == 1


def test_a_webhook_gets_what_it_asked_for_signed_with_its_secret(dataset, owner, receiver):
    url, calls, _ = receiver
    _, secret = add_webhook(dataset, url=url, kinds=["release-ready"], by=owner)
    tell(dataset, owner)
    tell(dataset, owner, kind=Kind.FAILURE)
    message = OutgoingMessage.objects.get()
    send_message(message.pk)
    [(headers, body)] = calls
    signed = headers["X-AVA-Timestamp"].encode() + b"." + body
    expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    assert headers["X-AVA-Signature"] == f"sha256={expected}"
    assert headers["X-AVA-Signature"] == signature(secret, headers["X-AVA-Timestamp"], body)
    found = json.loads(body)
    assert (found["event"], found["dataset"]) == ("release-ready", "shop")
    message.refresh_from_db()
    assert (message.stage, message.status) == ("done", 200)
    assert secret not in str(dataset.outgoing_webhooks.values())


@pytest.mark.parametrize("status", [500, 302, 404])
def test_a_call_that_is_not_taken_is_made_again_later(dataset, owner, receiver, status):
    url, calls, answers = receiver
    answers += [status, 200]
    add_webhook(dataset, url=url, kinds=[], by=owner)
    tell(dataset, owner)
    message = OutgoingMessage.objects.get()
    send_message(message.pk)
    message.refresh_from_db()
    assert (message.stage, message.status) == ("waiting", status)
    assert str(status) in message.error
    OutgoingMessage.objects.all().retry_now()
    send_message(message.pk)
    message.refresh_from_db()
    assert (message.stage, len(calls)) == ("done", 2)
    assert calls[0][0]["X-AVA-Delivery"] == calls[1][0]["X-AVA-Delivery"]


def test_a_call_that_is_never_taken_fails_at_last(dataset, owner, receiver):
    url, calls, answers = receiver
    answers += [503] * (MAX_RETRIES + 1)
    add_webhook(dataset, url=url, kinds=[], by=owner)
    tell(dataset, owner)
    message = OutgoingMessage.objects.get()
    for _ in range(MAX_RETRIES + 1):
        OutgoingMessage.objects.all().retry_now()
        send_message(message.pk)
    message.refresh_from_db()
    assert (message.stage, len(calls)) == ("failed", MAX_RETRIES + 1)


def test_an_address_that_is_gone_is_not_called_again(dataset, owner, receiver):
    url, _, answers = receiver
    answers += [410]
    add_webhook(dataset, url=url, kinds=[], by=owner)
    tell(dataset, owner)
    send_message(OutgoingMessage.objects.get().pk)
    assert OutgoingMessage.objects.get().stage == "failed"


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest", "http://127.0.0.1:9/"])
def test_addresses_inside_are_never_called_where_they_are_not_permitted(
    dataset, owner, settings, url
):
    settings.PRIVATE_ADDRESSES = False
    add_webhook(dataset, url=url, kinds=[], by=owner)
    tell(dataset, owner)
    send_message(OutgoingMessage.objects.get().pk)
    message = OutgoingMessage.objects.get()
    assert message.stage == "failed"
    assert "may not be called" in message.error


@pytest.mark.parametrize(
    "url", ["ftp://example.org/", "https://a:b@example.org/", "https:///x"]
)
def test_what_is_no_address_of_a_webhook_is_refused(dataset, owner, url):
    with pytest.raises(WebhookError):
        add_webhook(dataset, url=url, kinds=[], by=owner)


def test_failed_work_is_told_once_to_those_who_can_retry_it(dataset, owner, ann):
    video = make_video(dataset, stage="running")
    video.fail("The file is no video.")
    assert plan_failures(None) == 1
    assert plan_failures(None) == 0
    assert kinds_of(owner) == ["failure"]
    assert kinds_of(ann) == []
    mark_read(owner)
    make_video(dataset, stage="running").fail("Neither is this.")
    assert plan_failures(None) == 1


def test_whoever_sends_tasks_is_told_once_that_cvat_cannot_be_reached(dataset, owner, ann):
    server = CvatServer.objects.create(name="our-cvat", url="http://127.0.0.1:9", stage="done")
    project = CvatProject.objects.create(dataset=dataset, server=server)
    told = []
    for _ in range(UNREACHABLE_AFTER + 2):
        retry_now(project)
        row = CvatProject.objects.claim(project.pk)
        with retrying(row):
            client_for(server).version()
        told.append(kinds_of(owner))
    assert told == [[]] * UNREACHABLE_AFTER + [["cvat-unreachable"]] * 2
    assert Notification.objects.get().count == 1
    assert kinds_of(ann) == []
