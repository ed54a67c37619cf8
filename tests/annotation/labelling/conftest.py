import pytest
from django.contrib.auth.models import User
from django.test import Client

from annotation.models import AnnotationTask
from datasets.models import Member
from tests.annotation.labelling.label_client import Tab
from tests.make import (
    make_annotator,
    make_clips,
    make_dataset,
    make_task,
    make_user,
    make_video,
)
from tests.stored_files import make_ready_run, put


@pytest.fixture
def task(db) -> AnnotationTask:
    """A task of the annotator ann, two persons in each keyframe."""
    dataset = make_dataset("street")
    clip = make_clips(make_video(dataset, "aisle"))[0]
    clip.file = put(f"street/clips/{clip.name}.mp4", b"video")
    clip.save()
    user = make_user("ann")
    ann = make_annotator(dataset, "ann", user=user)
    Member.objects.create(dataset=dataset, user=user, role=Member.Role.ANNOTATOR)
    return make_task(make_ready_run(clip), ann)


@pytest.fixture
def tab(task) -> Tab:
    """The tab of ann, with the draft open."""
    found = new_tab(task, "tab-a")
    assert found.open().status_code == 200
    return found


def new_tab(task: AnnotationTask, holder: str, user: str = "ann") -> Tab:
    client = Client()
    client.force_login(User.objects.get(username=user))
    return Tab(client, task, holder)
