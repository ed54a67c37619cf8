import json

import pytest
from django.urls import reverse

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
    "overview", "clips", "tasks", "agreement", "review", "adjudication", "decisions",
    "releases", "release-new",
)  # fmt: skip
HTMX = {"HX-Request": "true"}


def url(page, *arguments):
    return reverse(f"qc:{page}", args=["shop", *arguments])


def page_text(response):
    return response.content.decode()


@pytest.mark.parametrize("page", PAGES)
def test_every_page_shows_an_empty_dataset_and_what_to_do_next(client, admin, dataset, page):
    client.force_login(admin)
    response = client.get(url(page))
    assert response.status_code == 200
    assert 'class="empty"' in page_text(response)


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
    assert "Simulated" in page_text(client.get(url(page)))


@pytest.mark.parametrize("page", ["overview", "clips", "releases"])
def test_a_live_page_and_its_refresh_share_one_fragment(client, admin, dataset, page):
    Release.objects.create(dataset=dataset, number=1)
    client.force_login(admin)
    fragment = page_text(client.get(url(page), headers=HTMX))
    assert "<!doctype" not in fragment
    assert 'hx-trigger="every 4s"' in page_text(client.get(url(page)))


def test_the_overview_has_a_to_do_list(client, admin, reviewer, dataset, disputed):
    make_run(dataset.videos.get().clips.last())
    for user, is_admin in ((admin, True), (reviewer, False)):
        client.force_login(user)
        page = " ".join(page_text(client.get(url("overview"))).split())
        assert "<b>2</b> submissions to review" in page
        assert ("<b>1</b> clip to assign to annotators" in page) == is_admin
    client.post(url("verdict"), {"tasks": [disputed[0].pk], "verdict": "approved"})
    page = page_text(client.get(url("overview")))
    assert "<b>1</b> submission to review" in page


def test_a_refresh_of_the_overview_brings_the_counts_around_it(client, admin, dataset):
    client.force_login(admin)
    assert "hx-swap-oob" not in page_text(client.get(url("overview")))
    make_video(dataset, "gate")
    fragment = page_text(client.get(url("overview"), headers=HTMX))
    assert '<span class="n" id="count-videos" hx-swap-oob="true">1</span>' in fragment
    assert '<p id="dataset-summary" hx-swap-oob="true">' in fragment


def test_a_failure_is_shown_with_its_sentence_and_a_button(client, admin, reviewer, dataset):
    video = make_video(dataset, "gate", stage="failed", error="gate.mp4 has no video stream.")
    client.force_login(admin)
    page = page_text(client.get(url("overview")))
    assert "gate.mp4 has no video stream." in page
    assert f"retry-video-{video.pk}" in page
    client.force_login(reviewer)
    page = page_text(client.get(url("overview")))
    assert "gate.mp4 has no video stream." in page
    assert f"retry-video-{video.pk}" not in page


def test_clips_are_filtered_by_state_and_by_name(client, admin, clip, disputed):
    client.force_login(admin)
    page = page_text(client.get(url("clips"), {"state": "detecting"}))
    assert "aisle-c0001" in page
    assert "aisle-c0000" not in page
    page = page_text(client.get(url("clips"), {"q": "c0002"}))
    assert "aisle-c0002" in page
    assert "aisle-c0001" not in page
    assert "No matching clips" in page_text(client.get(url("clips"), {"q": "nothing"}))


def test_clips_come_page_by_page(client, admin, dataset):
    for number in range(10):
        make_clips(make_video(dataset, f"v{number}"))
    client.force_login(admin)
    assert "1–25 of 30" in page_text(client.get(url("clips")))  # noqa: RUF001
    assert "26–30 of 30" in page_text(client.get(url("clips"), {"page": 2}))  # noqa: RUF001
    assert "26–30 of 30" in page_text(client.get(url("clips"), {"page": 99}))  # noqa: RUF001


def test_the_page_of_a_clip_has_its_player_and_its_consensus(client, admin, clip, disputed):
    clip.file = "shop/clips/a.mp4"
    clip.save()
    client.force_login(admin)
    page = page_text(client.get(url("clip", clip.name)))
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
        assert "0 decisions undone" in page_text(undone)
    box = {"clip": clip.name, "second": 2, "person_id": 1, "group": "~box"}
    for side in ("1" * 400, "1e999"):
        data = box | {"chosen": f"[0, 0, 10, {side}]"}
        assert "Choose or draw a box" in page_text(
            client.post(url("adjudicate"), data, follow=True)
        )


def test_a_clip_of_another_dataset_is_not_found_under_this_one(client, admin, dataset):
    other = make_clips(make_video(make_dataset("other", owner=admin), "gate"))[0]
    client.force_login(admin)
    assert client.get(url("clip", other.name)).status_code == 404


def test_tasks_are_filtered_by_annotator(client, admin, disputed):
    client.force_login(admin)
    page = page_text(client.get(url("tasks"), {"annotator": "kim"}))
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
    assert "Give a reason" in page_text(client.post(url("verdict"), data, follow=True))
    assert not Review.objects.exists()
    client.post(url("verdict"), data | {"reason": "Look at second 8."})
    assert {review.reason for review in Review.objects.all()} == {"Look at second 8."}


def test_what_a_rule_blocks_is_approved_only_in_spite_of_it(client, reviewer, dataset, clip):
    task = make_task(make_run(clip), make_annotator(dataset))
    make_version(task, {"posture": "unset", "doing": []}, unfinished=24)
    client.force_login(reviewer)
    data = {"tasks": [task.pk], "verdict": "approved"}
    assert "cannot be approved" in page_text(client.post(url("verdict"), data, follow=True))
    assert not Review.objects.exists()
    client.post(url("verdict"), data | {f"despite-{task.pk}": "Too dark to see."})
    assert Review.objects.get().reason == "Too dark to see."


def test_a_verdict_without_selected_tasks_shows_an_error(client, reviewer, disputed):
    client.force_login(reviewer)
    page = client.post(url("verdict"), {"verdict": "approved"}, follow=True)
    assert "Select at least one task." in page_text(page)


def test_a_task_of_another_dataset_cannot_be_reviewed(client, reviewer, disputed):
    other = make_dataset("other")
    strange = make_task(make_run(make_clips(make_video(other))[0]), make_annotator(other))
    make_version(strange)
    client.force_login(reviewer)
    client.post(url("verdict"), {"tasks": [strange.pk], "verdict": "approved"})
    assert not Review.objects.exists()


def test_a_stranger_judges_and_decides_nothing(client, clip, disputed):
    client.force_login(make_user())
    for page in (
        "verdict",
        "adjudicate",
        "adjudication-entries",
        "undo-decisions",
        "release-create",
    ):
        assert client.post(url(page)).status_code == 404
        assert client.get(url(page)).status_code == 405


def test_forms_are_refused_without_their_token(client, admin, dataset):
    client.handler.enforce_csrf_checks = True
    client.force_login(admin)
    assert client.post(url("release-create")).status_code == 403
    assert not Release.objects.exists()
