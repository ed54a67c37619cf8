"""Two approved videos, to release."""

import pytest
from django.core.files.storage import default_storage

from avaproject.base.work import Stage
from datasets.models import Clip
from tests import make
from tests.qc.release.corner import SIZE, believe, numbered_video


@pytest.fixture(scope="session")
def videos(tmp_path_factory):
    """Standard videos by their length in frames, rendered once."""
    folder = tmp_path_factory.mktemp("videos")
    return {count: numbered_video(folder / f"{count}.mp4", count) for count in (285, 150, 151)}


@pytest.fixture
def dataset(videos):
    """Two approved videos: `shop` with two clips (5 s and 4.5 s), `yard` with one of 5 s."""
    dataset = make.make_dataset("corner", description="People at a corner.")
    for name, count in (("shop", 285), ("yard", 150)):
        video = make.make_video(
            dataset, name, width=SIZE[0], height=SIZE[1], frame_count=count,
            file=f"corner/videos/{name}.mp4",
        )  # fmt: skip
        with videos[count].open("rb") as file:
            default_storage.save(video.file.name, file)
        for index, start in enumerate(range(0, count, 150)):
            believe(
                Clip.objects.create(
                    video=video, name=f"{name}-c{index:04d}", index=index, start_frame=start,
                    frame_count=min(150, count - start), stage=Stage.DONE,
                )
            )  # fmt: skip
    return dataset
