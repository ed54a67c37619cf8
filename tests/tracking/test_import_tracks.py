import pytest

from avaproject.base.work import Stage
from datasets.models import BundleImport, Upload
from tests.make import make_clips, make_dataset, make_video
from tracking.models import TrackImport
from tracking.services.track import plan_runs

pytestmark = pytest.mark.django_db


@pytest.fixture
def bundle_import():
    """The import of a bundle with one video, whose tracks are still to come."""
    dataset = make_dataset("shop")
    upload = Upload.objects.create(
        dataset=dataset, original_name="all.zip", size=1, sha256="1", is_bundle=True,
        stage=Stage.DONE,
    )  # fmt: skip
    video = make_video(dataset, "aisle")
    video.upload = upload
    video.save()
    make_clips(video)  # three
    return BundleImport.objects.create(upload=upload, stage=Stage.RUNNING)


def test_clips_of_a_bundle_are_not_tracked_until_its_tracks_are_imported(bundle_import):
    assert plan_runs() == 0
    BundleImport.objects.update(stage=Stage.DONE)
    assert plan_runs() == 0
    TrackImport.objects.create(bundle_import=bundle_import, stage=Stage.RUNNING)
    assert plan_runs() == 0


@pytest.mark.parametrize("failed", ["clips", "tracks"])
def test_after_a_failed_import_its_clips_are_tracked_here(bundle_import, failed):
    if failed == "clips":
        BundleImport.objects.update(stage=Stage.FAILED)
    else:
        BundleImport.objects.update(stage=Stage.DONE)
        TrackImport.objects.create(bundle_import=bundle_import, stage=Stage.FAILED)
    assert plan_runs() == 3
