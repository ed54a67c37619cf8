import pytest

from avaproject.base.work import Stage
from tests.make import make_clips, make_dataset, make_run, make_user, make_video
from tracking.models import Bundle, Experiment, TrackingRun
from tracking.services.track import plan_runs
from tracking.services.tracking_configs import config_key_of

pytestmark = pytest.mark.django_db

POSTED = {"detector": "rfdetr-nano", "weights": "", "threshold": "0.3", "frame_stride": "2"}


@pytest.fixture
def admin(client):
    user = make_user("ada")
    client.force_login(user)
    return user


@pytest.fixture
def dataset(admin):
    dataset = make_dataset("shop", owner=admin)
    make_clips(make_video(dataset, "walk"))
    return dataset


def test_the_page_shows_the_configurations_and_the_frames_done(client, dataset):
    plan_runs()
    TrackingRun.objects.filter(clip__index=0).update(stage=Stage.RUNNING, progress=0.5)
    page = client.get("/datasets/shop/tracking/").content.decode()
    assert config_key_of(dataset) in page
    assert "225 of 450 frames" in page
    assert "No bundle yet" in page


def test_an_experiment_is_started_activated_and_deleted(client, dataset):
    answer = client.post("/datasets/shop/tracking/", POSTED | {"max_age_seconds": "2"})
    assert answer.status_code == 302
    experiment = Experiment.objects.get()
    assert experiment.tracker == {"max_age_seconds": 2.0}
    assert "Experiment" in client.get("/datasets/shop/tracking/").content.decode()
    client.post("/datasets/shop/tracking/activate/", {"experiment": experiment.pk})
    assert Experiment.objects.get().is_active
    client.post("/datasets/shop/tracking/activate/", {"experiment": ""})
    assert not Experiment.objects.get().is_active
    client.post("/datasets/shop/tracking/delete/", {"experiment": experiment.pk})
    assert not Experiment.objects.exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"weights": "../secret.pth", "detector": "rfdetr-file"}, "not a path"),
        ({"detector": "onnx"}, "needs the name of a file"),
        ({"threshold": "2"}, "less than or equal to 1"),
    ],
)
def test_an_invalid_experiment_is_refused_with_the_reason(client, dataset, change, sentence):
    answer = client.post("/datasets/shop/tracking/", POSTED | change)
    assert sentence in answer.content.decode()
    assert not Experiment.objects.exists()


def test_the_dataset_s_own_settings_are_shown_and_its_weights_may_stay(client, dataset):
    own = {"detector": "rfdetr-file", "weights": "/elsewhere/own.pth", "frame_stride": 3}
    type(dataset).objects.update(**own)
    page = client.get("/datasets/shop/tracking/").content.decode()
    assert 'value="/elsewhere/own.pth"' in page
    assert 'value="3"' in page
    client.post("/datasets/shop/tracking/", POSTED | own)
    assert Experiment.objects.get().weights == "/elsewhere/own.pth"


def test_runs_are_cancelled_one_by_one_or_all(client, dataset):
    plan_runs()
    first = TrackingRun.objects.first()
    client.post("/datasets/shop/tracking/cancel/", {"pk": first.pk})
    assert TrackingRun.objects.filter(stage=Stage.FAILED).get() == first
    client.post("/datasets/shop/tracking/cancel/")
    assert not TrackingRun.objects.filter(stage=Stage.WAITING).exists()


@pytest.mark.parametrize("pk", ["all", "-1", "²", "1;2"])
@pytest.mark.parametrize("path", ["tracking/cancel/", "retry-tracking/run/"])
def test_a_key_that_is_not_a_number_means_no_run(client, dataset, path, pk):
    plan_runs()
    before = list(TrackingRun.objects.values_list("stage"))
    assert client.post(f"/datasets/shop/{path}", {"pk": pk}).status_code == 404
    assert list(TrackingRun.objects.values_list("stage")) == before
    assert (
        client.post("/datasets/shop/tracking/activate/", {"experiment": pk}).status_code == 404
    )


def test_a_bundle_is_refused_with_its_reason_and_listed_with_what_is_missing(client, dataset):
    page = client.post("/datasets/shop/bundles/create/", follow=True).content.decode()
    assert "completely tracked yet" in page
    left_out = [{"name": "walk", "reason": "not completely tracked"}]
    files = {"manifest.json": {"size": 3, "sha256": "0"}}
    bundle = Bundle.objects.create(
        dataset=dataset, config_key="r", stage=Stage.DONE, left_out=left_out, files=files
    )
    page = client.get("/datasets/shop/tracking/").content.decode()
    assert f"/datasets/shop/bundles/{bundle.pk}/manifest.json" in page
    assert "not completely tracked" in page
    assert client.get(f"/datasets/shop/bundles/{bundle.pk}/other.zip").status_code == 404


@pytest.mark.parametrize("path", ["activate/", "delete/", "cancel/"])
def test_a_stranger_finds_nothing(client, dataset, path):
    run = make_run(dataset.videos.get().clips.first(), stage=Stage.WAITING)
    client.force_login(make_user())
    assert client.get("/datasets/shop/tracking/").status_code == 404
    assert client.post("/datasets/shop/tracking/", POSTED).status_code == 404
    assert client.post(f"/datasets/shop/tracking/{path}").status_code == 404
    assert client.get(f"/datasets/shop/tracking/{path}").status_code == 405
    run.refresh_from_db()
    assert run.stage == Stage.WAITING
