"""A short standard video, a detector that knows it, and its tracking run."""

import av
import numpy as np
from django.core.files.storage import default_storage

from tracking.core.boxes import Detections
from tracking.detectors.registry import DetectorError
from tracking.services.track import plan_runs

FRAMES = 130
WIDTH, HEIGHT = 160, 90


def write_standard_mp4(path, frame_count, *, cut=None):
    """A standard video: a frame's red is its frame number; from frame `cut` on it is blue."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=30, options={"x264-params": "scenecut=0"})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = (
            WIDTH,
            HEIGHT,
            "yuv420p",
            30,
        )
        stream.codec_context.max_b_frames = 0
        for number in range(frame_count):
            rgb = np.full((HEIGHT, WIDTH, 3), number, dtype=np.uint8)
            if cut is not None and number >= cut:
                rgb[..., 2] = 200
            for packet in stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


class Watcher:
    """Sees one person who walks right, and another that leaves the image at the left."""

    def __init__(self, *, batch_size=4, gives_up=False):
        self.batch_size, self.gives_up = batch_size, gives_up
        self.about = {"name": "watcher", "sha256": "00"}
        self.seen, self.batches = [], []

    def detect(self, frames):
        if self.gives_up:
            raise DetectorError("the watcher is asleep: wake it")
        self.batches.append(len(frames))
        return [self.look(round(float(frame[..., 0].mean()))) for frame in frames]

    def look(self, number):
        self.seen.append(number)
        boxes = [
            [10 + number * 0.5, 20, 30 + number * 0.5, 70],
            [30 - number, 10, 50 - number, 60],
        ]
        return Detections(np.array(boxes), np.array([0.9, 0.8]))


def the_run(clip):
    plan_runs()
    return clip.tracking_runs.get()


def stored(run):
    with default_storage.open(run.tracks.name, "rb") as content:
        return content.read()
