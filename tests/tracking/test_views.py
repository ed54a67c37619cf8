import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.urls import reverse

from tests.make import make_clips, make_dataset, make_run, make_user, make_video

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin():
    return make_user()


@pytest.fixture
def run(admin):
    clip = make_clips(make_video(make_dataset("shop", owner=admin)))[0]
    name = default_storage.save("shop/tracks/1/a.tracks.json.gz", ContentFile(b"tracks"))
    return make_run(clip, tracks=name)


def test_the_tracks_of_a_clip_can_be_taken_away(client, admin, run):
    client.force_login(admin)
    response = client.get(reverse("tracking:tracks", args=["shop", run.pk]))
    assert f"{run.clip.name}.tracks.json.gz" in response["Content-Disposition"]
    assert b"".join(response.streaming_content) == b"tracks"


def test_a_stranger_gets_no_tracks(client, run):
    client.force_login(make_user())
    assert client.get(reverse("tracking:tracks", args=["shop", run.pk])).status_code == 404


def test_a_failed_run_is_sent_back(client, admin, run):
    type(run).objects.update(stage="failed", error="no weights")
    client.force_login(admin)
    client.post(reverse("tracking:retry", args=["shop", "run"]), {"pk": run.pk})
    run.refresh_from_db()
    assert (run.stage, run.error) == ("waiting", "")


def test_a_stranger_sends_nothing_back(client, run):
    client.force_login(make_user())
    url = reverse("tracking:retry", args=["shop", "run"])
    assert (client.post(url).status_code, client.get(url).status_code) == (404, 405)
