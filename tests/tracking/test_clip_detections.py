import threading

import numpy as np
import pytest

from tests.tracking.fake_detectors import Watcher, the_run
from tracking.services.track import track_clip

pytestmark = pytest.mark.django_db


class Waiting:
    """Looks of people, described only when the detector was given a batch after theirs."""

    def __init__(self, watcher):
        self.about = {"name": "waiting"}
        self.watcher, self.waited = watcher, []

    def describe(self, image, boxes):
        if not self.waited:
            self.waited.append(self.watcher.has_second.wait(timeout=10))
        return np.zeros((len(boxes), 1, 2), np.float32)


class Counting(Watcher):
    """Knows when it is given its second batch."""

    def __init__(self):
        super().__init__()
        self.has_second = threading.Event()

    def detect(self, frames):
        if self.batches:
            self.has_second.set()
        return super().detect(frames)


def test_the_detector_does_not_wait_for_the_looks_of_a_batch_before(clip, monkeypatch):
    watcher = Counting()
    looks = Waiting(watcher)
    monkeypatch.setattr("tracking.services.track.open_appearance", lambda name: looks)
    assert track_clip(the_run(clip).pk, detector=watcher).error == ""
    assert looks.waited == [True]
