"""A dataset that follows more than persons."""

import numpy as np
import pytest

from avaproject.base.work import Stage
from tests.tracking.fake_detectors import Watcher, stored, the_run
from tracking.core.tracks_file import load
from tracking.services.assign_identities import assign_video_identities, plan_identity_runs
from tracking.services.track import track_clip

pytestmark = pytest.mark.django_db


class CarWatcher(Watcher):
    """Takes the second one it sees for a car."""

    def look(self, number):
        return super().look(number)._replace(classes=np.array([0, 1]))


def test_what_a_dataset_follows_is_tracked_by_its_class(clip):
    clip.video.dataset.classes = "person, vehicle"
    clip.video.dataset.save()
    run = the_run(clip)
    assert "person+vehicle" in run.config_key
    run = track_clip(run.pk, detector=CarWatcher())
    assert [one.label for one in load(stored(run)).tracks] == ["person", "vehicle"]
    assert assign_video_identities(identity_run_of(clip.video)).stage == Stage.DONE
    labels = clip.video.persons.values_list("person_id", "label")
    assert list(labels) == [(1, "person"), (2, "vehicle")]


def test_what_is_not_followed_is_not_tracked(clip):
    run = track_clip(the_run(clip).pk, detector=CarWatcher())
    assert [one.label for one in load(stored(run)).tracks] == ["person"]


def identity_run_of(video):
    plan_identity_runs()
    return video.identity_runs.get().pk
