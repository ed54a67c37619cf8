import pytest

from tests.make import make_annotator, make_clips, make_run, make_video


@pytest.fixture
def runs(dataset):
    return [make_run(clip) for clip in make_clips(make_video(dataset, "aisle"))]


@pytest.fixture
def annotators(dataset):
    return [make_annotator(dataset, name) for name in ("ann", "bob", "eve")]
