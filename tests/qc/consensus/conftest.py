import pytest

from tests.make import make_annotator, make_clips, make_run, make_video


@pytest.fixture
def runs(dataset):
    return [make_run(clip) for clip in make_clips(make_video(dataset, "aisle"))]


@pytest.fixture
def annotators(dataset):
    # Rows are ordered by keys, which are texts: these three sort as their numbers do.
    names = enumerate(("ann", "bob", "eve"), 1001)
    return [make_annotator(dataset, name, pk=pk) for pk, name in names]
