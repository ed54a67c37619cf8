import pytest
from django.apps import apps
from django.contrib import admin
from django.urls import reverse

from tests.make import (
    make_annotator,
    make_clips,
    make_dataset,
    make_pull,
    make_run,
    make_task,
    make_user,
    make_video,
)

pytestmark = pytest.mark.django_db

ROOMS = ("datasets", "tracking", "annotation", "qc")
MODELS = [model for room in ROOMS for model in apps.get_app_config(room).get_models()]


@pytest.fixture
def operator(client):
    user = make_user(is_superuser=True)
    user.is_staff = True
    user.save()
    client.force_login(user)
    return client


@pytest.fixture
def pull():
    dataset = make_dataset("shop")
    run = make_run(make_clips(make_video(dataset))[0])
    return make_pull(make_task(run, make_annotator(dataset)))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_has_its_list(operator, pull, model):
    assert model in admin.site._registry
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    assert operator.get(url, {"q": "a"}).status_code == 200


def test_a_row_of_background_work_is_shown_and_not_edited(operator, pull):
    url = reverse("admin:annotation_pull_change", args=[pull.pk])
    page = operator.get(url).content.decode()
    assert 'name="sha256"' not in page
    assert reverse("admin:annotation_pull_changelist") in page
    assert operator.get(reverse("admin:annotation_pull_add")).status_code == 403


def test_a_file_is_named_without_a_link_past_the_pages(operator, pull):
    pull.raw = "shop/answers/one.json.gz"
    pull.save()
    page = operator.get(
        reverse("admin:annotation_pull_change", args=[pull.pk])
    ).content.decode()
    assert "shop/answers/one.json.gz" in page
    assert pull.raw.url not in page


def test_failed_rows_are_tried_again_from_the_list(operator):
    video = make_video(make_dataset(), stage="failed")
    url = reverse("admin:datasets_video_changelist")
    operator.post(url, {"action": "try_again", "_selected_action": [video.pk]})
    video.refresh_from_db()
    assert video.stage == "waiting"


def test_accounts_are_made_in_the_admin(operator):
    assert operator.get(reverse("admin:auth_user_add")).status_code == 200


def test_only_the_admin_has_a_looser_policy(operator):
    strict = operator.get(reverse("datasets:list"))["Content-Security-Policy"]
    loose = operator.get(reverse("admin:index"))["Content-Security-Policy"]
    assert "unsafe" not in strict
    assert "unsafe-eval" in loose


def test_who_is_not_staff_gets_no_admin(client):
    client.force_login(make_user())
    assert client.get(reverse("admin:index")).status_code == 302
