"""The admin: every model has a list, rows of background work are read-only."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import FileField
from django.test import RequestFactory
from django.urls import reverse

from annotation.models import Annotation, CvatServer, StoredBox
from datasets.models import Dataset, PendingDeletion, Transfer
from qc.models import Adjudication, AgreementSummary, Comment, Consensus, Review
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
from tracking.models import TrackingConfig, VideoPerson

pytestmark = pytest.mark.django_db

APPS = ("datasets", "tracking", "annotation", "qc")
MODELS = [model for app in APPS for model in apps.get_app_config(app).get_models()]


@pytest.fixture
def operator(client):
    user = make_user(is_superuser=True)
    user.is_staff = True
    user.save()
    client.force_login(user)
    return client


@pytest.fixture
def version():
    dataset = make_dataset("shop")
    run = make_run(make_clips(make_video(dataset))[0])
    return make_version(make_task(run, make_annotator(dataset)))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_has_its_list(operator, version, model):
    assert model in admin.site._registry
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    assert operator.get(url, {"q": "a"}).status_code == 200


def test_a_row_of_background_work_is_shown_and_not_edited(operator, version):
    url = reverse("admin:annotation_answerversion_change", args=[version.pk])
    page = operator.get(url).content.decode()
    assert 'name="sha256"' not in page
    assert reverse("admin:annotation_answerversion_changelist") in page
    assert operator.get(reverse("admin:annotation_answerversion_add")).status_code == 403


def test_what_is_secret_or_too_long_is_not_on_the_page_of_a_row(operator, version):
    server = CvatServer.objects.create(name="here", url="http://cvat", encrypted_token="sealed")
    summary = AgreementSummary.objects.create(
        dataset=version.task.clip.video.dataset, figures={"alpha": "unreadable"}
    )
    for row, hidden in ((server, "sealed"), (summary, "unreadable")):
        url = reverse(
            f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk]
        )
        page = operator.get(url)
        assert page.status_code == 200
        assert hidden not in page.content.decode()


def test_the_list_of_stored_boxes_names_their_answers(operator, version):
    StoredBox.objects.create(
        version=version, task=version.task, annotator="kim", track=0, frame=0, xtl=1, ytl=1,
        xbr=2, ybr=2, outside=False,
        attributes={"posture": "sit", "doing": "wave"},
    )  # fmt: skip
    page = operator.get(reverse("admin:annotation_storedbox_changelist")).content.decode()
    assert "doing: wave, posture: sit" in page


def test_times_are_iso(operator, version):
    page = operator.get(reverse("admin:annotation_answerversion_change", args=[version.pk]))
    assert version.created_at.strftime("%Y-%m-%d %H:%M") in page.content.decode()


def test_a_file_is_named_without_a_link_past_the_pages(operator, version):
    version.raw = "shop/answers/one.json.gz"
    version.save()
    page = operator.get(
        reverse("admin:annotation_answerversion_change", args=[version.pk])
    ).content.decode()
    assert "shop/answers/one.json.gz" in page
    assert version.raw.url not in page


def test_failed_rows_are_tried_again_from_the_list(operator):
    video = make_video(make_dataset(), stage="failed")
    url = reverse("admin:datasets_video_changelist")
    operator.post(url, {"action": "retry_failed", "_selected_action": [video.pk]})
    video.refresh_from_db()
    assert video.stage == "waiting"


@pytest.mark.parametrize(
    "model",
    [m for m in MODELS if hasattr(m, "other_files") or any(
        isinstance(field, FileField) for field in m._meta.get_fields())]
    + [Dataset, Transfer, PendingDeletion, Annotation, StoredBox]
    + [Adjudication, Review, Comment, TrackingConfig, VideoPerson],
    ids=lambda model: model.__name__,
)  # fmt: skip
def test_what_has_files_or_is_a_record_is_not_deleted_past_the_pages(operator, model):
    request = RequestFactory().get("/")
    request.user = User.objects.get()
    assert not admin.site._registry[model].has_delete_permission(request)


def test_the_admin_leads_to_the_page_that_deletes(operator):
    video = make_video(make_dataset("shop"), "aisle")
    for row, address in (
        (video, "/datasets/shop/videos/aisle/delete/"),
        (make_clips(video)[0], "/datasets/shop/videos/aisle/delete/"),
        (video.dataset, "/datasets/shop/delete/"),
    ):
        url = f"admin:datasets_{row._meta.model_name}"
        page = operator.get(reverse(f"{url}_change", args=[row.pk])).content.decode()
        assert f'href="{address}"' in page
        assert operator.post(reverse(f"{url}_delete", args=[row.pk])).status_code == 403


def test_lists_of_rows_call_nobody_a_person_who_may_be_a_vehicle(operator, version):
    run = version.task.run
    VideoPerson.objects.create(video=run.clip.video, person_id=9, label="vehicle", name="bus")
    box = Consensus.objects.create(clip=run.clip, versions=[1]).boxes.create(
        second=0, person_id=9, x1=1, y1=1, x2=2, y2=2, drawn_by=[], status="agreed"
    )
    page = operator.get(reverse("admin:tracking_videoperson_changelist")).content.decode()
    assert "vehicle" in page
    assert "bus" in page
    assert str(box).endswith(" 0 s P9")
    assert str(run.persons.first()).endswith(" P1")
    assert str(run.proposals.first()).endswith(" 2 s P1")


def test_the_page_that_asks_counts_what_goes_with_few_queries(
    operator, version, django_assert_max_num_queries
):
    consensus = Consensus.objects.create(clip=version.task.clip, versions=[1])
    for second in range(30):
        box = consensus.boxes.create(
            second=second, person_id=1, x1=1, y1=1, x2=2, y2=2, drawn_by=[], status="agreed"
        )
        box.labels.create(group="posture", actions=[], votes={}, rule="open")
    url = reverse("admin:qc_consensus_delete", args=[consensus.pk])
    with django_assert_max_num_queries(20):
        page = operator.get(url).content.decode()
    assert "Consensus boxes: 30" in page
    assert "Consensus labels: 30" in page
    operator.post(url, {"post": "yes"})
    assert not Consensus.objects.exists()


def test_answers_are_the_record_and_go_with_their_video_alone(operator, version):
    video = version.task.clip.video
    for row in (version, version.task):
        url = f"admin:annotation_{row._meta.model_name}"
        page = operator.get(reverse(f"{url}_change", args=[row.pk])).content.decode()
        assert "Answers are kept as a record" in page
        assert f'href="/datasets/shop/videos/{video.name}/delete/"' in page
        assert operator.post(reverse(f"{url}_delete", args=[row.pk])).status_code == 403
        several = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
        operator.post(reverse(f"{url}_changelist"), several)
        row.refresh_from_db()


def test_nothing_is_deleted_along_with_another_row(operator, version):
    """An account or a server takes nothing with it that has files."""
    annotator = version.task.annotator
    url = reverse("admin:annotation_annotator_delete", args=[annotator.pk])
    operator.post(url, {"post": "yes"})
    version.refresh_from_db()


def test_a_dataset_with_videos_keeps_what_they_were_made_with(operator):
    dataset = make_dataset("shop")
    url = reverse("admin:datasets_dataset_change", args=[dataset.pk])
    page = operator.get(url).content.decode()
    assert ('name="clip_seconds"' in page, 'name="name"' in page) == (True, False)
    make_video(dataset)
    page = operator.get(url).content.decode()
    assert ('name="clip_seconds"' in page, 'name="threshold"' in page) == (False, True)


def test_an_account_that_goes_leaves_its_transfers_to_be_dropped(operator):
    dataset, user = make_dataset("shop"), make_user("leaver")
    dataset.transfers.create(user=user, size=9)
    url = reverse("admin:auth_user_delete", args=[user.pk])
    operator.post(url, {"post": "yes"})
    assert dataset.transfers.get().user is None


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
