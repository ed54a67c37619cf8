import io
import re
import zipfile
from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.urls import reverse
from django.utils import timezone

from avaproject.base.storage import StorageError
from avaproject.base.work import Stage
from datasets.core.naming import frame_name
from datasets.core.roles import Act
from datasets.models import Clip, Dataset, Member, Upload
from datasets.selectors import dataset_cards, permitted_datasets
from tests.make import make_clips, make_dataset, make_user, make_video

pytestmark = pytest.mark.django_db

NEW = {
    "name": "shop",
    "description": "",
    "vocabulary": "street",
    "vocabulary_text": "",
    "detector": "rfdetr-nano",
    "weights": "",
    "threshold": "0.4",
    "longest_side": "640",
    "clip_seconds": "15",
    "annotation_fps": "5",
    "frame_stride": "1",
}
OWN_YAML = (
    "groups: [{name: posture, choice: one, required: true, "
    "label_type: PERSON_MOVEMENT, actions: {1: stand, 2: sit}}]"
)
OWN_PBTXT = 'item { name: "bend/bow" id: 1 label_type: PERSON_MOVEMENT }'


@pytest.fixture
def admin():
    return make_user()


@pytest.fixture
def dataset(admin):
    return make_dataset("shop", owner=admin)


@pytest.fixture
def reviewer(dataset):
    user = make_user()
    Member.objects.create(dataset=dataset, user=user, role=Member.Role.REVIEWER)
    return user


@pytest.fixture
def clip(dataset):
    return make_clips(make_video(dataset, "aisle"))[0]


def a_zip():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("aisle.mp4", b"not really a video")
    return ContentFile(content.getvalue(), name="videos.zip")


def page_names(clip):
    here = [clip.video.dataset.name, clip.name]
    return [
        reverse("datasets:videos", args=here[:1]),
        reverse("datasets:clip-file", args=here),
        reverse("datasets:poster", args=here),
        reverse("datasets:keyframe", args=[*here, 2]),
    ]


def test_anonymous_users_are_redirected_to_login(client, clip):
    for page in [reverse("datasets:list"), reverse("datasets:new"), *page_names(clip)]:
        assert client.get(page)["Location"] == f"/login/?next={page}"


def test_other_users_see_nothing(client, clip):
    client.force_login(make_user())
    for page in [*page_names(clip), reverse("datasets:upload", args=["shop"])]:
        assert client.get(page).status_code == 404
    assert "shop" not in client.get(reverse("datasets:list")).content.decode()


def test_the_list_shows_the_content_of_each_dataset(client, admin, clip):
    client.force_login(admin)
    page = client.get(reverse("datasets:list")).content.decode()
    assert reverse("qc:overview", args=["shop"]) in page
    (card,) = dataset_cards(admin)
    assert (card["videos"], card["clips"], card["seconds"]) == (1, 3, 35.0)


def test_the_list_takes_the_same_queries_for_many_datasets(
    admin, clip, django_assert_num_queries
):
    for _ in range(5):
        make_clips(make_video(make_dataset(owner=admin)))
    with django_assert_num_queries(4):
        dataset_cards(admin)


def test_a_simulated_dataset_says_so(client, admin):
    make_dataset("play", owner=admin, is_simulated=True)
    client.force_login(admin)
    for page in ("datasets:list", "datasets:videos"):
        url = reverse(page, args=[] if page.endswith("list") else ["play"])
        assert "Simulated" in client.get(url).content.decode()


def test_a_dataset_says_what_its_user_may_do(dataset, admin, reviewer):
    assert permitted_datasets(admin).get().may["assign"]
    assert "assign" not in permitted_datasets(reviewer).get().may
    assert not permitted_datasets(reviewer, Act.ASSIGN).exists()


def test_anonymous_users_do_not_see_datasets_without_members():
    make_dataset("shop")
    assert not Dataset.objects.permitting(AnonymousUser()).exists()


def test_the_creator_of_a_dataset_is_its_owner(client):
    user = make_user()
    client.force_login(user)
    response = client.post(reverse("datasets:new"), NEW)
    assert response["Location"] == reverse("datasets:upload", args=["shop"])
    made = Dataset.objects.permitting(user, Act.MANAGE_MEMBERS).get()
    assert (made.detector, made.threshold, made.groups.count()) == ("rfdetr-nano", 0.4, 8)


@pytest.mark.parametrize("text", [OWN_YAML, OWN_PBTXT], ids=["YAML", "pbtxt"])
def test_a_pasted_vocabulary_is_used(client, text):
    client.force_login(make_user())
    client.post(reverse("datasets:new"), NEW | {"vocabulary": "own", "vocabulary_text": text})
    assert Dataset.objects.get().actions.exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param({"name": "Not a name"}, "Letters, digits and hyphens only", id="name"),
        pytest.param({"vocabulary": "own"}, "Paste the vocabulary", id="nothing pasted"),
        pytest.param(
            {"vocabulary": "own", "vocabulary_text": "x: 1"},
            "Invalid vocabulary",
            id="no YAML",
        ),
        pytest.param({"weights": "/etc/passwd"}, "not a path", id="a path"),
        pytest.param({"weights": "../secret"}, "not a path", id="out of the folder"),
        pytest.param({"detector": "onnx"}, "needs a weights file", id="no weights"),
        pytest.param({"threshold": "2"}, "less than or equal to 1", id="threshold"),
    ],
)
def test_invalid_settings_are_refused_with_a_message(client, change, sentence):
    client.force_login(make_user())
    page = client.post(reverse("datasets:new"), NEW | change)
    assert sentence in page.content.decode()
    assert not Dataset.objects.exists()


def test_an_existing_name_is_refused(client, dataset):
    client.force_login(make_user())
    page = client.post(reverse("datasets:new"), NEW)
    assert "already" in page.content.decode()
    assert dataset.members.count() == 1


def test_an_uploaded_zip_waits_to_be_unpacked(client, admin, dataset):
    client.force_login(admin)
    response = client.post(reverse("datasets:upload", args=["shop"]), {"file": a_zip()})
    assert response["Location"] == reverse("qc:overview", args=["shop"])
    upload = Upload.objects.get()
    assert (upload.original_name, upload.stage) == ("videos.zip", "waiting")
    assert default_storage.exists(upload.file.name)


def test_a_file_that_is_no_zip_is_refused(client, admin, dataset):
    client.force_login(admin)
    wrong = ContentFile(b"hello", name="notes.txt")
    page = client.post(reverse("datasets:upload", args=["shop"]), {"file": wrong})
    assert page.status_code == 422
    assert "notes.txt is not a zip" in page.content.decode()


def test_a_zip_over_the_limit_is_refused(client, admin, dataset, settings):
    settings.MAX_ZIP_BYTES = 10
    client.force_login(admin)
    page = client.post(reverse("datasets:upload", args=["shop"]), {"file": a_zip()})
    assert "at most" in page.content.decode()


def files_of_a_bundle():
    names = ("frames.zip", "manifest.json")
    return [ContentFile(b"x" * 100, name=name) for name in names]


def test_the_files_of_a_bundle_over_the_limit_are_refused(client, admin, dataset, settings):
    settings.MAX_ZIP_BYTES = 10
    client.force_login(admin)
    page = client.post(reverse("datasets:upload", args=["shop"]), {"file": files_of_a_bundle()})
    assert (page.status_code, "at most" in page.content.decode()) == (422, True)


def test_a_storage_error_is_shown_on_the_upload_page(client, admin, dataset, monkeypatch):
    def away(name):
        raise StorageError("The bucket is away.")

    client.force_login(admin)
    monkeypatch.setattr(default_storage, "path", away)
    page = client.post(reverse("datasets:upload", args=["shop"]), {"file": a_zip()})
    assert (page.status_code, "The bucket is away." in page.content.decode()) == (422, True)


def test_a_reviewer_cannot_upload(client, reviewer):
    client.force_login(reviewer)
    response = client.post(reverse("datasets:upload", args=["shop"]), {"file": a_zip()})
    assert response.status_code == 404
    assert not Upload.objects.exists()


def test_the_video_list_shows_changes_and_warnings(client, admin, dataset):
    make_video(
        dataset, "aisle", changes=["HEVC became H.264."], warnings=["6 frames are damaged."],
        probe={"codec": "hevc", "seconds": 35.02},
    )  # fmt: skip
    make_video(dataset, "gate", stage="failed", error="gate.mp4 has no video stream.")
    client.force_login(admin)
    page = client.get(reverse("datasets:videos", args=["shop"])).content.decode()
    for text in ("HEVC became H.264.", "6 frames are damaged.", "hevc", "no video stream"):
        assert text in page


def test_clip_files_support_ranges(client, admin, clip):
    clip.file = default_storage.save("shop/clips/a.mp4", ContentFile(b"0123456789"))
    clip.save()
    client.force_login(admin)
    url = reverse("datasets:clip-file", args=["shop", clip.name])
    response = client.get(url, headers={"Range": "bytes=2-4"})
    assert response.status_code == 206
    assert b"".join(response.streaming_content) == b"234"


def test_a_keyframe_is_the_frame_that_annotators_see(client, admin, clip):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as frames:
        frames.writestr(frame_name(clip.name, 10), b"picture of second 2")
    clip.frames = default_storage.save("shop/frames/a.zip", ContentFile(content.getvalue()))
    clip.save()
    client.force_login(admin)
    url = reverse("datasets:keyframe", args=["shop", clip.name, 2])
    assert client.get(url).content == b"picture of second 2"
    missing = reverse("datasets:keyframe", args=["shop", clip.name, 9])
    assert client.get(missing).status_code == 404


def test_a_clip_without_files_has_no_keyframe(client, admin, clip):
    client.force_login(admin)
    assert (
        client.get(reverse("datasets:keyframe", args=["shop", clip.name, 2])).status_code == 404
    )


def test_one_failed_row_or_all_can_be_retried(client, admin, dataset):
    first, second = (make_video(dataset, stage="failed", error="broken") for _ in range(2))
    client.force_login(admin)
    url = reverse("datasets:retry", args=["shop", "video"])
    assert client.post(url, {"pk": first.pk})["Location"] == "/datasets/shop/"
    second.refresh_from_db()
    assert second.stage == "failed"
    client.post(url)
    assert {video.stage for video in dataset.videos.all()} == {"waiting"}


def test_all_that_failed_by_one_cause_are_retried_at_once(client, admin, dataset):
    causes = ("no weights", "no weights", "no stream")
    first, _, other = (make_video(dataset, stage="failed", error=cause) for cause in causes)
    client.force_login(admin)
    url = reverse("datasets:retry", args=["shop", "video"])
    client.post(url, {"pk": first.pk, "with_same_cause": "1"})
    failed = dataset.videos.filter(stage="failed")
    assert [video.pk for video in failed] == [other.pk]


def test_only_an_admin_can_retry(client, reviewer, dataset):
    video = make_video(dataset, stage="failed")
    client.force_login(reviewer)
    url = reverse("datasets:retry", args=["shop", "video"])
    assert client.post(url, {"pk": video.pk}).status_code == 404
    video.refresh_from_db()
    assert video.stage == "failed"


def test_a_row_of_another_dataset_is_not_retried(client, admin, dataset):
    strange = make_video(make_dataset(), stage="failed")
    client.force_login(admin)
    client.post(reverse("datasets:retry", args=["shop", "video"]), {"pk": strange.pk})
    strange.refresh_from_db()
    assert strange.stage == "failed"


def test_retry_needs_a_post_and_a_known_kind(client, admin, dataset):
    client.force_login(admin)
    assert client.get(reverse("datasets:retry", args=["shop", "video"])).status_code == 405
    assert client.post(reverse("datasets:retry", args=["shop", "nothing"])).status_code == 404


def test_an_invalid_key_retries_nothing(client, admin, dataset):
    client.force_login(admin)
    answer = client.post(reverse("datasets:retry", args=["shop", "video"]), {"pk": "²"})
    assert answer.status_code == 404


def test_the_video_list_shows_only_the_newest_uploads(client, admin, dataset):
    for number in range(25):
        dataset.uploads.create(original_name=f"{number}.zip", sha256=number, size=1)
    client.force_login(admin)
    page = client.get(reverse("datasets:videos", args=["shop"])).content.decode()
    assert page.count('class="long"') == 20
    assert "24.zip" in page


def test_the_video_list_shows_progress_and_time_left(client, admin, dataset):
    now = timezone.now()
    make_video(dataset, "done", started_at=now - timedelta(seconds=60), finished_at=now)
    make_video(
        dataset, "busy", stage=Stage.RUNNING, progress=0.25,
        started_at=now - timedelta(minutes=2), frame_count=None,
    )  # fmt: skip
    make_video(dataset, "next", stage=Stage.WAITING, frame_count=None)
    client.force_login(admin)
    url = reverse("datasets:videos", args=["shop"])
    page = client.get(url, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in page
    assert "25%" in page
    assert re.search(r"about 6 min \d+ s left", page)  # 2 min were a quarter
    assert "Waiting, 1 ahead" in page
    assert "about 1 min 45 s left" in page  # three quarters of one like "done", and one


def test_the_clips_of_a_video_are_counted_while_they_are_cut(client, admin, dataset):
    video = make_video(dataset, "aisle")
    clips = make_clips(video, stage=Stage.WAITING)
    Clip.objects.filter(pk=clips[0].pk).update(stage=Stage.DONE)
    client.force_login(admin)
    page = client.get(reverse("datasets:videos", args=["shop"])).content.decode()
    assert f"1 of {len(clips)} clips cut" in page


def test_the_description_is_changed_on_the_page_of_settings(client):
    dataset = make_dataset("shop", owner=make_user("boss"))
    client.force_login(make_user("stranger"))
    url = reverse("datasets:settings", args=["shop"])
    assert client.get(url).status_code == 404
    client.force_login(dataset.members.get().user)
    assert "Danger zone" in client.get(url).content.decode()
    page = client.post(url, {"description": "Three shops."}, follow=True)
    assert "Three shops." in page.content.decode()
    dataset.refresh_from_db()
    assert dataset.description == "Three shops."
