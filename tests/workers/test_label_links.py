"""Label links: signed, expiring, for this computer alone."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core import signing
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from datasets.models import Member
from tests.make import make_annotator, make_dataset, make_user
from workers.team import label_links
from workers.team.label_links import LabelLinkError, is_from_this_computer, label_link

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann():
    return make_annotator(make_dataset("shop", owner=make_user("boss")), "ann")


def test_a_label_link_needs_no_account(ann):
    client = Client(HTTP_HOST="127.0.0.1:8000")
    link = label_link("ann")
    assert "Label as ann" in client.get(link).content.decode()
    assert client.post(link)["Location"] == reverse("qc:my")
    assert client.get(reverse("qc:my")).status_code == 200
    ann.refresh_from_db()
    assert ann.user.username == "ann"
    assert not ann.user.has_usable_password()
    assert Member.objects.get(user=ann.user).role == "annotator"


def test_opening_the_page_alone_logs_nobody_in(ann):
    client = Client(HTTP_HOST="127.0.0.1:8000")
    client.get(label_link("ann"))
    assert client.get(reverse("qc:my")).status_code == 302


@pytest.mark.parametrize(
    ("sent", "is_local"),
    [
        pytest.param({"REMOTE_ADDR": "127.0.0.1"}, True, id="loopback"),
        pytest.param({"REMOTE_ADDR": "::1", "HTTP_HOST": "[::1]:8000"}, True, id="IPv6"),
        pytest.param({"REMOTE_ADDR": "10.0.0.7"}, False, id="another computer"),
        pytest.param({"HTTP_X_FORWARDED_FOR": "127.0.0.1"}, False, id="behind a proxy"),
        pytest.param({"HTTP_X_REAL_IP": "127.0.0.1"}, False, id="behind nginx"),
        pytest.param({"HTTP_FORWARDED": "for=127.0.0.1"}, False, id="Forwarded"),
        pytest.param({"HTTP_X_FORWARDED_PROTO": "https"}, False, id="as docs/production.md"),
        pytest.param({"HTTP_VIA": "1.1 proxy"}, False, id="Via"),
        pytest.param({"HTTP_HOST": "ava.example.org"}, False, id="a public name"),
        pytest.param(
            {"REMOTE_ADDR": "10.0.0.7", "HTTP_X_FORWARDED_FOR": "127.0.0.1"},
            False,
            id="a forged header",
        ),
    ],
)
def test_only_the_peer_of_the_connection_counts(settings, sent, is_local):
    settings.ALLOWED_HOSTS = ["*"]
    request = RequestFactory().get("/", **({"HTTP_HOST": "127.0.0.1:8000"} | sent))
    assert is_from_this_computer(request) is is_local


def test_another_computer_gets_nothing(ann):
    client = Client(REMOTE_ADDR="10.0.0.7", HTTP_HOST="127.0.0.1:8000")
    link = label_link("ann")
    assert client.post(link).status_code == 410
    assert client.get(reverse("qc:my")).status_code == 302


def test_a_link_expires_and_cannot_be_forged(ann, monkeypatch):
    link = label_link("ann")
    forged = signing.dumps(User.objects.get(username="boss").pk, salt="another")
    assert (
        Client(HTTP_HOST="127.0.0.1:8000")
        .get(reverse("workers:label-link", args=[forged]))
        .status_code
        == 410
    )
    late = timezone.now() + timedelta(hours=label_links.HOURS, seconds=1)
    monkeypatch.setattr(signing.time, "time", late.timestamp)
    assert Client(HTTP_HOST="127.0.0.1:8000").get(link).status_code == 410


def test_an_account_with_a_password_or_another_role_is_never_opened(ann):
    dataset = ann.dataset
    make_annotator(dataset, "boss")
    with pytest.raises(LabelLinkError, match="log in with its password"):
        label_link("boss")
    link = label_link("ann")
    Member.objects.filter(user__username="ann").update(role="owner")
    assert Client(HTTP_HOST="127.0.0.1:8000").post(link).status_code == 410


def test_an_unknown_annotator_is_refused(ann):
    with pytest.raises(LabelLinkError, match="no annotator kim"):
        label_link("kim")
    assert not User.objects.filter(username="kim").exists()


def test_a_server_behind_a_proxy_gives_no_label_links(ann, settings):
    link = label_link("ann")
    settings.PUBLIC_URL = "https://ava.example.org"
    with pytest.raises(LabelLinkError, match="AVA_PUBLIC_URL"):
        label_link("ann")
    assert Client(HTTP_HOST="127.0.0.1:8000").get(link).status_code == 410
