import pytest

from tests.make import make_clips, make_dataset, make_video
from tests.tracking.fake_detectors import FRAMES, HEIGHT, WIDTH, write_standard_mp4


@pytest.fixture
def clip(own_files):
    """The only clip of a video of 4.3 s, with its file."""
    dataset = make_dataset("shop", detector="onnx", weights="own.onnx")
    video = make_video(dataset, "walk", width=WIDTH, height=HEIGHT, frame_count=FRAMES)
    (clip,) = make_clips(video)
    clip.file = f"shop/clips/{clip.name}.mp4"
    clip.save()
    write_standard_mp4(own_files / "media" / clip.file.name, FRAMES)
    return clip
