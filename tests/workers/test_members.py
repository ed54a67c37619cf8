"""Members: roles, invitations, and the accounts and annotators that they make."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.models import AnnotationTask, Annotator
from annotation.services.annotators import link_annotator, link_namesakes
from datasets.models import Invitation, Member
from datasets.services.members import (
    InvitationError,
    MemberError,
    accept,
    change_role,
    find_invitation,
    invite,
    remove,
)
from tests.make import (
    make_annotator,
    make_clips,
    make_dataset,
    make_run,
    make_task,
    make_user,
    make_video,
)
from workers.team.joining import join

pytestmark = pytest.mark.django_db
PASSWORD = {"password1": "walk-sit-stand", "password2": "walk-sit-stand"}


@pytest.fixture
def owner():
    return make_user("boss")


@pytest.fixture
def dataset(owner):
    return make_dataset("shop", owner=owner)


@pytest.fixture
def browser(owner):
    client = Client()
    client.force_login(owner)
    return client


def url(page, *args):
    return reverse(f"workers:{page}", args=args or ["shop"])


def add_member(dataset, name, role):
    return Member.objects.create(dataset=dataset, user=make_user(name), role=role)


def link_on(page):
    return re.search(r'id="new-link"[^>]*value="[^"]*(/invitations/[^"]+)"', page)[1]


def new_link(browser, **fields):
    data = {"role": "annotator", "days": 14, "max_uses": 1} | fields
    page = browser.post(url("members"), data, follow=True)
    return link_on(page.content.decode())


def test_whoever_opens_an_invitation_makes_an_account_and_is_an_annotator(dataset, browser):
    link = new_link(browser)
    newcomer = Client()
    assert "Join shop" in newcomer.get(link).content.decode()
    answer = newcomer.post(link, {"username": "ann", **PASSWORD})
    assert answer["Location"] == "/"
    ann = User.objects.get(username="ann")
    assert Member.objects.get(user=ann).role == "annotator"
    assert Annotator.objects.get(user=ann).name == "ann"
    assert newcomer.get("/", follow=True).status_code == 200


def test_the_link_is_shown_once_and_stored_as_a_hash(dataset, browser):
    link = new_link(browser)
    token = link.strip("/").split("/")[-1]
    assert token not in str(Invitation.objects.values())
    assert token not in browser.get(url("members")).content.decode()


def test_an_account_joins_by_log_in_and_a_second_time_changes_nothing(dataset, browser):
    link = new_link(browser, role="viewer", max_uses=2)
    client = Client()
    client.force_login(make_user("kim"))
    client.post(link)
    assert Member.objects.get(user__username="kim").role == "viewer"
    client.post(link)
    assert Invitation.objects.get().uses == 1


def test_a_member_keeps_their_role_when_they_open_an_invitation(dataset, owner):
    made, _ = invite(dataset, by=owner, role="viewer")
    assert accept(made, user=owner) == (Member.objects.get(user=owner), False)
    assert Member.objects.get(user=owner).role == "owner"


@pytest.mark.parametrize("spoil", ["used", "expired", "revoked", "inviter removed"])
def test_a_void_invitation_says_so(dataset, owner, spoil):
    made, token = invite(dataset, by=owner, role="reviewer")
    if spoil == "used":
        accept(made, user=make_user())
    elif spoil == "expired":
        Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif spoil == "revoked":
        Invitation.objects.update(revoked_at=timezone.now())
    else:
        Member.objects.filter(user=owner).delete()
    with pytest.raises(InvitationError):
        find_invitation(token)
    page = Client().post(url("join", token), {"username": "ann", **PASSWORD})
    assert page.status_code == 410
    assert not User.objects.filter(username="ann").exists()


def test_two_cannot_accept_an_invitation_for_one(dataset, owner):
    made, _ = invite(dataset, by=owner, role="reviewer")
    accept(made, user=make_user())
    with pytest.raises(InvitationError), transaction.atomic():
        accept(made, user=make_user())
    assert dataset.members.count() == 2


def test_a_manager_invites_annotators_only(dataset):
    manager = add_member(dataset, "manager", "manager").user
    invite(dataset, by=manager, role="annotator")
    with pytest.raises(MemberError, match="may not invite"):
        invite(dataset, by=manager, role="manager")
    client = Client()
    client.force_login(manager)
    page = client.get(url("members")).content.decode()
    assert 'value="annotator"' in page
    assert 'value="owner"' not in page


def test_an_invitation_can_be_for_an_annotator_who_is_there_already(dataset, owner):
    kim = make_annotator(dataset, "kim")
    made, _ = invite(dataset, by=owner, role="annotator", annotator="kim")
    user = make_user("anybody")
    join(made, user=user)
    kim.refresh_from_db()
    assert kim.user == user


def test_a_user_name_gives_nobody_the_tasks_of_another(dataset, owner):
    kim = make_annotator(dataset, "kim")
    made, _ = invite(dataset, by=owner, role="annotator")
    join(made, user=make_user("kim"))
    kim.refresh_from_db()
    assert kim.user is None
    assert Annotator.objects.get(user__username="kim").name == "kim-2"


def test_an_annotator_who_was_linked_meanwhile_refuses_the_invitation_as_a_whole(
    dataset, owner
):
    make_annotator(dataset, "kim", user=make_user("other"))
    made, _ = invite(dataset, by=owner, role="annotator", annotator="kim")
    user = make_user("late")
    with pytest.raises(InvitationError, match="no annotator kim without an account"):
        join(made, user=user)
    assert not Member.objects.filter(user=user).exists()
    assert Invitation.objects.get().uses == 0


def test_members_who_see_all_answers_are_linked_by_their_name(dataset):
    add_member(dataset, "kim", "reviewer")
    add_member(dataset, "lee", "annotator")
    make_annotator(dataset, "kim")
    make_annotator(dataset, "lee")
    link_namesakes(dataset)
    assert list(Annotator.objects.exclude(user=None).values_list("name", flat=True)) == ["kim"]


def test_own_tasks_are_those_of_ones_annotator_while_one_may_label(dataset):
    run = make_run(make_clips(make_video(dataset))[0])
    member = add_member(dataset, "ann", "annotator")
    task = make_task(run, link_annotator(dataset, member.user))
    assert list(AnnotationTask.objects.own(member.user)) == [task]
    Member.objects.filter(pk=member.pk).update(role="viewer")
    assert not AnnotationTask.objects.own(member.user).exists()
    member.delete()
    assert not AnnotationTask.objects.own(member.user).exists()


def test_there_is_always_an_owner(dataset, owner, browser):
    member = Member.objects.get(user=owner)
    with pytest.raises(MemberError, match="only owner"):
        change_role(member, "viewer")
    with pytest.raises(MemberError, match="only owner"):
        remove(member)
    add_member(dataset, "second", "owner")
    answer = browser.post(url("role"), {"member": member.pk, "role": "viewer"})
    assert answer["Location"] == "/"
    assert Member.objects.get(user=owner).role == "viewer"


def test_a_member_who_becomes_an_annotator_gets_one(dataset, browser):
    member = add_member(dataset, "kim", "viewer")
    browser.post(url("role"), {"member": member.pk, "role": "annotator"})
    assert Annotator.objects.get(user=member.user).name == "kim"


def test_a_removed_member_sees_nothing_and_their_annotator_stays(dataset, browser):
    member = add_member(dataset, "kim", "annotator")
    link_annotator(dataset, member.user)
    clip = make_clips(make_video(dataset))[0]
    task = make_task(make_run(clip), Annotator.objects.get(user=member.user))
    browser.post(url("remove"), {"member": member.pk})
    assert not Member.objects.filter(user__username="kim").exists()
    task.refresh_from_db()
    assert task.unassigned_at is not None
    assert not task.annotator.is_active
    assert Annotator.objects.filter(name="kim").exists()


def test_an_invitation_goes_by_e_mail_where_a_server_is_configured(dataset, browser, settings):
    settings.EMAIL_URL = "smtp://mail"
    data = {"role": "viewer", "days": 14, "max_uses": 1, "email": "kim@example.org"}
    page = browser.post(url("members"), data, follow=True).content.decode()
    assert "was sent to kim@example.org" in page
    assert 'id="new-link"' not in page
    link = re.search(r"http\S+", mail.outbox[0].body)[0]
    assert Client().get(link).status_code == 200


def test_a_revoked_invitation_is_void(dataset, browser):
    link = new_link(browser)
    browser.post(url("revoke"), {"invitation": Invitation.objects.get().pk})
    assert Client().get(link).status_code == 410
