"""The exchange with a real CVAT server, named by AVA_TEST_CVAT_URL; skipped without one.

AVA_TEST_CVAT_TOKEN is an access token of a maintainer of AVA_TEST_CVAT_ORGANISATION, which has
two workers. The tracks are those of real footage (`../shared`), which jitter: nearly every
second is a CVAT keyframe. Each test deletes the projects it made.
"""

import itertools
import time
from dataclasses import replace

import numpy as np
import pytest

from annotation.cvat.client import close_clients
from annotation.models import CvatJob, CvatServer
from annotation.services.cvat.connection import save_server
from annotation.services.cvat.deferral import client_for
from annotation.services.cvat.projects import connect_dataset
from datasets.core.formats.cvat_labels import PERSON
from tests.annotation.real_cvat.world import ORGANISATION, TOKEN, URL
from tests.cvat_double.steps import project_of, send_all, set_up
from tests.make import make_annotator, make_dataset, make_task
from tests.stored_files import make_ready_video, put
from tracking.core.boxes import Detections
from tracking.core.sort import TrackerParameters, track
from tracking.core.tracks_file import Track, TracksFile, dump

SIZE = (640, 360)
PERSONS = 5  # of the footage, those seen longest


@pytest.fixture(autouse=True)
def no_old_clients():
    close_clients()
    yield
    close_clients()


@pytest.fixture(scope="session")
def footage(shared) -> list[Track]:
    """Tracks of 15 s of a street, in pixels of a video of 640x360."""
    rows = np.loadtxt(shared / "data/mot/Venice-2/det.txt", delimiter=",")
    detections = []
    for frame in range(1, 451):
        here = rows[(rows[:, 0] == frame) & (rows[:, 6] > 0.5)]
        boxes = np.hstack([here[:, 2:4], here[:, 2:4] + here[:, 4:6]]) / 3
        detections.append(Detections(boxes, here[:, 6]))
    found = track(detections, fps=30, parameters=TrackerParameters.for_threshold(0.5))
    longest = sorted(found, key=lambda one: -len(one.frames))[:PERSONS]
    return [
        Track(number, one.frames, one.boxes, one.scores)
        for number, one in enumerate(longest, 1)
    ]


@pytest.fixture
def server(request):
    """The server, in the organisation that a test may name."""
    organisation = getattr(request, "param", ORGANISATION)
    return save_server(CvatServer(name="real", url=URL, organisation=organisation), token=TOKEN)


@pytest.fixture
def client(server):
    return client_for(server)


@pytest.fixture
def workers(client):
    """Two workers of the organisation; without one, the account itself."""
    found = [one.name for one in client.members() if one.role == "worker" and one.is_active][:2]
    return found or [client.whoami()]


@pytest.fixture
def classes():
    """What the dataset follows; tests name another by a parameter."""
    return PERSON


@pytest.fixture
def world(server, client, workers, footage, classes):
    """A dataset with one task, in CVAT; its project is deleted at the end.

    The tracks are of its classes in turn.
    """
    dataset = make_dataset(f"real-{time.time_ns()}", classes=classes)
    names = itertools.cycle(dataset.class_names)
    footage = [replace(one, label=name) for one, name in zip(footage, names, strict=False)]
    video = make_ready_video(dataset, name=f"street{time.time_ns()}", frame_count=450)
    clip = video.clips.get()
    run = clip.tracking_runs.get()
    content = dump(TracksFile(clip.name, *SIZE, 450, footage))
    run.tracks.name = put(f"{dataset}/tracks/real/{clip}.gz", content)
    run.save()
    run.persons.all().delete()
    run.proposals.all().delete()
    for one in footage:
        run.persons.create(track_id=one.track_id, person_id=one.track_id)
        video.persons.update_or_create(person_id=one.track_id, defaults={"label": one.label})
        for second in clip.keyframes():
            (at,) = np.nonzero(one.frames == second * 30)
            if len(at):
                x1, y1, x2, y2 = np.clip(one.boxes[at[0]], 0, [*SIZE, *SIZE]).tolist()
                run.proposals.create(
                    second=second, person_id=one.track_id, score=0.9, x1=x1, y1=y1, x2=x2, y2=y2
                )
    make_task(run, make_annotator(dataset, workers[0]))
    connect_dataset(dataset, server)
    set_up(dataset)
    send_all(dataset)
    assert not CvatJob.objects.exclude(stage="done").exists(), CvatJob.objects.values("error")
    yield dataset
    number = project_of(dataset).project_id
    for one in client.projects_named(dataset.name):
        client.delete_project(one["id"])
    assert number is None or not client.projects_named(dataset.name)
