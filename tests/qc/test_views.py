import json
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.urls import reverse

from qc.core.release.options import ReleaseOptions
from qc.core.release.packing import dump_index, part_sizes, sum_of
from qc.models import Release, Review
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

pytestmark = pytest.mark.django_db

PAGES = (
    "overview", "clips", "tasks", "agreement", "review", "adjudication", "decisions", "releases",
    "release-new",
)  # fmt: skip
HTMX = {"HX-Request": "true"}


def url(page, *arguments):
    return reverse(f"qc:{page}", args=["shop", *arguments])


def answer_text(response):
    return response.content.decode()


@pytest.mark.parametrize("page", PAGES)
def test_every_page_shows_an_empty_dataset_and_what_to_do_next(client, admin, dataset, page):
    client.force_login(admin)
    response = client.get(url(page))
    assert response.status_code == 200
    assert 'class="empty"' in answer_text(response)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_shows_a_dataset_at_work(client, admin, dataset, disputed, page):
    Release.objects.create(dataset=dataset, number=1, stage="running", progress=0.5)
    client.force_login(admin)
    assert client.get(url(page)).status_code == 200


@pytest.mark.parametrize("page", PAGES)
def test_a_stranger_finds_no_page(client, dataset, page):
    client.force_login(make_user())
    assert client.get(url(page)).status_code == 404


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_for_those_logged_in_and_only_read(client, admin, dataset, page):
    assert client.get(url(page))["Location"].startswith("/login/")
    client.force_login(admin)
    assert client.post(url(page)).status_code == 405


@pytest.mark.parametrize("page", PAGES)
def test_every_page_shows_that_the_dataset_is_simulated(client, admin, dataset, page):
    type(dataset).objects.update(is_simulated=True)
    client.force_login(admin)
    assert "Simulated" in answer_text(client.get(url(page)))


@pytest.mark.parametrize("page", ["overview", "clips", "releases"])
def test_a_live_page_and_its_refresh_share_one_fragment(client, admin, dataset, page):
    Release.objects.create(dataset=dataset, number=1)
    client.force_login(admin)
    fragment = answer_text(client.get(url(page), headers=HTMX))
    assert "<!doctype" not in fragment
    assert 'hx-trigger="every 4s"' in answer_text(client.get(url(page)))


def test_the_overview_has_a_to_do_list(client, admin, reviewer, dataset, disputed):
    make_run(dataset.videos.get().clips.last())
    for user, is_admin in ((admin, True), (reviewer, False)):
        client.force_login(user)
        page = " ".join(answer_text(client.get(url("overview"))).split())
        assert "<b>2</b> submissions to review" in page
        assert ("<b>1</b> clip to assign to annotators" in page) == is_admin
    client.post(url("verdict"), {"tasks": [disputed[0].pk], "verdict": "approved"})
    page = answer_text(client.get(url("overview")))
    assert "<b>1</b> submission to review" in page


def test_a_refresh_of_the_overview_brings_the_counts_around_it(client, admin, dataset):
    client.force_login(admin)
    assert "hx-swap-oob" not in answer_text(client.get(url("overview")))
    make_video(dataset, "gate")
    fragment = answer_text(client.get(url("overview"), headers=HTMX))
    assert '<span class="n" id="count-videos" hx-swap-oob="true">1</span>' in fragment
    assert '<p id="dataset-summary" hx-swap-oob="true">' in fragment


def test_a_failure_is_shown_with_its_sentence_and_a_button(client, admin, reviewer, dataset):
    video = make_video(dataset, "gate", stage="failed", error="gate.mp4 has no video stream.")
    client.force_login(admin)
    page = answer_text(client.get(url("overview")))
    assert "gate.mp4 has no video stream." in page
    assert f"retry-video-{video.pk}" in page
    client.force_login(reviewer)
    page = answer_text(client.get(url("overview")))
    assert "gate.mp4 has no video stream." in page
    assert f"retry-video-{video.pk}" not in page


def test_clips_are_filtered_by_state_and_by_name(client, admin, clip, disputed):
    client.force_login(admin)
    page = answer_text(client.get(url("clips"), {"state": "detecting"}))
    assert "aisle-c0001" in page
    assert "aisle-c0000" not in page
    page = answer_text(client.get(url("clips"), {"q": "c0002"}))
    assert "aisle-c0002" in page
    assert "aisle-c0001" not in page
    assert "No matching clips" in answer_text(client.get(url("clips"), {"q": "nothing"}))


def test_clips_come_page_by_page(client, admin, dataset):
    for number in range(10):
        make_clips(make_video(dataset, f"v{number}"))
    client.force_login(admin)
    assert "1–25 of 30" in answer_text(client.get(url("clips")))  # noqa: RUF001
    assert "26–30 of 30" in answer_text(client.get(url("clips"), {"page": 2}))  # noqa: RUF001
    assert "26–30 of 30" in answer_text(client.get(url("clips"), {"page": 99}))  # noqa: RUF001


def test_the_page_of_a_clip_has_its_player_and_its_consensus(client, admin, clip, disputed):
    clip.file = "shop/clips/a.mp4"
    clip.save()
    client.force_login(admin)
    page = answer_text(client.get(url("clip", clip.name)))
    assert url("scene", clip.name) in page
    assert reverse("datasets:clip-file", args=["shop", clip.name]) in page
    assert "needs a decision" in page


def test_the_player_gets_its_boxes_and_a_stranger_none(client, admin, clip, disputed):
    client.force_login(admin)
    scene = json.loads(client.get(url("scene", clip.name)).content)
    assert scene["frame_count"] == 450
    assert scene["keyframes"] == clip.keyframes()
    assert set(scene["answers"]["2"]) == {"1", "2"}
    client.force_login(make_user())
    assert client.get(url("scene", clip.name)).status_code == 404
    assert client.get(url("clip", clip.name)).status_code == 404


def test_keys_that_can_be_no_rows_are_answered_with_sentences(client, admin, clip, disputed):
    client.force_login(admin)
    for key in ("²", "9" * 30, "x"):
        assert client.get(url("scene", clip.name), {"run": key}).status_code == 200
        assert (
            client.get(url("adjudication"), {"at": f"{clip.name}.{key}.doing.2"}).status_code
            == 200
        )
        undone = client.post(url("undo-decisions"), {"made": key, "kind": "open"}, follow=True)
        assert "0 decisions undone" in answer_text(undone)
    box = {"clip": clip.name, "second": 2, "person_id": 1, "group": "~box"}
    for side in ("1" * 400, "1e999"):
        data = box | {"chosen": f"[0, 0, 10, {side}]"}
        assert "Choose or draw a box" in answer_text(
            client.post(url("adjudicate"), data, follow=True)
        )


def test_a_clip_of_another_dataset_is_not_found_under_this_one(client, admin, dataset):
    other = make_clips(make_video(make_dataset("other", admin=admin), "gate"))[0]
    client.force_login(admin)
    assert client.get(url("clip", other.name)).status_code == 404


def test_tasks_are_filtered_by_annotator(client, admin, disputed):
    client.force_login(admin)
    page = answer_text(client.get(url("tasks"), {"annotator": "kim"}))
    assert "1–1 of 1 tasks" in page  # noqa: RUF001


def test_a_reviewer_approves_what_was_ticked(client, reviewer, disputed):
    client.force_login(reviewer)
    data = {"tasks": [disputed[0].pk], "verdict": "approved"}
    assert client.post(url("verdict"), data)["Location"] == url("review")
    (review,) = Review.objects.all()
    assert (review.task, review.reviewer, review.verdict) == (disputed[0], reviewer, "approved")


def test_a_rejection_needs_a_reason(client, reviewer, disputed):
    client.force_login(reviewer)
    data = {"tasks": [task.pk for task in disputed], "verdict": "rejected"}
    assert "Give a reason" in answer_text(client.post(url("verdict"), data, follow=True))
    assert not Review.objects.exists()
    client.post(url("verdict"), data | {"reason": "Look at second 8."})
    assert {review.reason for review in Review.objects.all()} == {"Look at second 8."}


def test_what_a_rule_blocks_is_approved_only_in_spite_of_it(client, reviewer, dataset, clip):
    task = make_task(make_run(clip), make_annotator(dataset))
    make_version(task, {"posture": "unset", "doing": []}, unfinished=24)
    client.force_login(reviewer)
    data = {"tasks": [task.pk], "verdict": "approved"}
    assert "cannot be approved" in answer_text(client.post(url("verdict"), data, follow=True))
    assert not Review.objects.exists()
    client.post(url("verdict"), data | {"despite_findings": "on"})
    assert Review.objects.count() == 1


def test_a_verdict_without_selected_tasks_shows_an_error(client, reviewer, disputed):
    client.force_login(reviewer)
    page = client.post(url("verdict"), {"verdict": "approved"}, follow=True)
    assert "Select at least one task." in answer_text(page)


def test_a_task_of_another_dataset_cannot_be_reviewed(client, reviewer, disputed):
    other = make_dataset("other")
    strange = make_task(make_run(make_clips(make_video(other))[0]), make_annotator(other))
    make_version(strange)
    client.force_login(reviewer)
    client.post(url("verdict"), {"tasks": [strange.pk], "verdict": "approved"})
    assert not Review.objects.exists()


def test_a_stranger_judges_and_decides_nothing(client, clip, disputed):
    client.force_login(make_user())
    for page in ("verdict", "adjudicate", "undo-decisions", "release-create"):
        assert client.post(url(page)).status_code == 404
        assert client.get(url(page)).status_code == 405


def test_admins_create_releases_and_reviewers_can_not(client, admin, reviewer, dataset):
    client.force_login(reviewer)
    assert client.post(url("release-create")).status_code == 404
    client.force_login(admin)
    assert client.post(url("release-create"))["Location"] == url("releases")
    release = Release.objects.get()
    assert (release.number, release.created_by, release.stage) == (1, admin, "waiting")


def test_a_finished_release_is_downloaded_and_its_download_goes_on(client, admin, dataset):
    name = default_storage.save("shop/releases/1/r.zip", ContentFile(b"0123456789"))
    Release.objects.create(dataset=dataset, number=1, stage="done", archive=name)
    client.force_login(admin)
    response = client.get(url("release-download", 1), headers={"Range": "bytes=5-"})
    assert (response.status_code, b"".join(response.streaming_content)) == (206, b"56789")
    assert "shop-release-1.zip" in response["Content-Disposition"]


@pytest.fixture
def stored_release(dataset):
    """A release on local disk: a card, a film and a picture."""
    folder = Path(default_storage.path("shop/releases/1"))
    files = {
        "README.md": b"a card", "clips/a.mp4": b"film", "rawframes/a/img_00001.jpg": b"jpeg",
        "card.html": b"<h1>card</h1>",
    }  # fmt: skip
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    sums = {name: sum_of(folder / name) for name in sorted(files)}
    folder.with_name("1.index").write_bytes(dump_index(sums))
    return Release.objects.create(
        dataset=dataset, number=1, stage="done", folder="shop/releases/1",
        counts={"clips": 1, "manifest": "ab" * 32, "parts": part_sizes(sums)},
    )  # fmt: skip


def names_in(response):
    content = b"".join(response.streaming_content)
    assert int(response["Content-Length"]) == len(content)
    return zipfile.ZipFile(BytesIO(content)).namelist()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("", {"README.md", "card.html", "clips/a.mp4", "rawframes/a/img_00001.jpg"},
                     id="all"),
        pytest.param("?part=annotations", {"README.md", "card.html"}, id="annotations alone"),
        pytest.param("?part=clips", {"README.md", "card.html", "clips/a.mp4"}, id="with clips"),
    ],
)  # fmt: skip
def test_a_download_holds_the_parts_asked_for(client, admin, stored_release, query, expected):
    client.force_login(admin)
    response = client.get(url("release-download", 1) + query)
    assert set(names_in(response)) == expected


def test_a_broken_download_goes_on_where_it_was(client, admin, stored_release):
    client.force_login(admin)
    whole = b"".join(client.get(url("release-download", 1)).streaming_content)
    first = client.get(url("release-download", 1), headers={"Range": "bytes=0-99"})
    assert (first.status_code, first["Content-Range"]) == (206, f"bytes 0-99/{len(whole)}")
    headers = {"Range": "bytes=100-", "If-Range": first["ETag"]}
    rest = client.get(url("release-download", 1), headers=headers)
    both = b"".join(first.streaming_content) + b"".join(rest.streaming_content)
    assert both == whole
    other = client.get(url("release-download", 1) + "?part=annotations", headers=headers)
    assert other.status_code == 200  # another zip: it begins anew
    beyond = client.get(url("release-download", 1), headers={"Range": "bytes=99999-"})
    assert (beyond.status_code, beyond["Content-Range"]) == (416, f"bytes */{len(whole)}")
    known = client.get(url("release-download", 1), headers={"If-None-Match": first["ETag"]})
    assert known.status_code == 304


def test_the_page_of_releases_shows_sizes_and_the_card(client, reviewer, stored_release):
    client.force_login(reviewer)
    page = answer_text(client.get(url("releases")))
    assert url("release-download", 1) + "?part=frames" in page
    assert url("release-delete-files", 1) not in page
    card = client.get(url("release-card", 1))
    assert b"".join(card.streaming_content) == b"<h1>card</h1>"
    assert "attachment" in card["Content-Disposition"]


def test_only_an_admin_who_types_the_number_deletes_a_release(
    client, admin, reviewer, stored_release
):
    client.force_login(reviewer)
    assert client.post(url("release-delete-files", 1), {"confirm": "1"}).status_code == 404
    client.force_login(admin)
    client.post(url("release-delete-files", 1), {"confirm": "yes"})
    assert client.get(url("release-download", 1)).status_code == 200
    client.post(url("release-delete-files", 1), {"confirm": "1"})
    assert client.get(url("release-download", 1)).status_code == 404
    assert not Path(default_storage.path("shop/releases/1")).exists()
    assert "Files deleted" in answer_text(client.get(url("releases")))
    again = client.post(url("release-delete-files", 1), {"confirm": "1"}, follow=True)
    assert "The files of release 1 were already deleted." in again.content.decode()


def test_a_new_release_is_chosen_on_a_page(client, admin, reviewer, disputed):
    client.force_login(reviewer)
    assert client.get(url("release-new")).status_code == 404
    approved = {"tasks": [task.pk for task in disputed], "verdict": "approved"}
    client.post(url("verdict"), approved)
    client.force_login(admin)
    page = answer_text(client.get(url("release-new")))
    assert "COCO-video" in page
    client.post(
        url("release-create"),
        {"frames": "640", "formats": ["mot", "coco"], "licence": "CC0-1.0",
         "authors": "Ada\n\nBob ", "seed": "3"},
    )  # fmt: skip
    options = ReleaseOptions.read(Release.objects.get().options)
    assert options == ReleaseOptions(
        formats=("coco", "mot"), longest_side=640, licence="CC0-1.0", authors=("Ada", "Bob"),
        seed=3,
    )  # fmt: skip


def test_a_split_list_that_cannot_be_meant_is_shown_again(client, admin, dataset):
    client.force_login(admin)
    response = client.post(url("release-create"), {"split_list": "nowhere,val"})
    assert response.status_code == 422
    assert "names nowhere, which is no video" in answer_text(response)
    assert "nowhere,val" in answer_text(response)
    assert not Release.objects.exists()


def test_a_failed_release_shows_the_reason_and_no_download(client, admin, dataset):
    Release.objects.create(
        dataset=dataset, number=1, stage="failed", error="A picture is missing.",
        checks=[{"name": "frames", "passed": False, "sentence": "img_00361.jpg"}],
    )  # fmt: skip
    client.force_login(admin)
    page = answer_text(client.get(url("releases")))
    assert "A picture is missing." in page
    assert "img_00361.jpg" in page
    assert url("release-download", 1) not in page
    assert client.get(url("release-download", 1)).status_code == 404


def test_a_stranger_downloads_nothing(client, dataset):
    Release.objects.create(dataset=dataset, number=1, stage="done", archive="r.zip")
    client.force_login(make_user())
    assert client.get(url("release-download", 1)).status_code == 404


def test_a_failed_release_is_sent_back(client, admin, dataset):
    release = Release.objects.create(dataset=dataset, number=1, stage="failed")
    client.force_login(admin)
    client.post(url("retry", "release"), {"pk": release.pk})
    release.refresh_from_db()
    assert release.stage == "waiting"


def test_forms_are_refused_without_their_token(client, admin, dataset):
    client.handler.enforce_csrf_checks = True
    client.force_login(admin)
    assert client.post(url("release-create")).status_code == 403
    assert not Release.objects.exists()
