"""Numbers of persons: rows that are given once, also by several at the same moment."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections, transaction
from django.db.migrations.executor import MigrationExecutor

from tests.make import make_clips, make_dataset, make_run, make_user, make_video
from tracking.models import Person, TrackingRun, VideoPerson, highest_person_id
from tracking.services.assign_identities import IdentityError, add_persons, keep_earlier_ids


@pytest.fixture
def clips():
    return make_clips(make_video(make_dataset("shop"), "aisle"))


@pytest.mark.django_db
def test_a_number_does_not_return_when_its_runs_are_deleted(clips):
    video = clips[0].video
    for clip in clips:
        make_run(clip, persons=3)
    drawn = VideoPerson.draw(clips[0])
    assert drawn.person_id == 4
    TrackingRun.objects.all().delete()
    assert not Person.objects.exists()
    assert highest_person_id(video) == 4
    assert keep_earlier_ids(video, [], [{1: 1, 2: 2}]) == [{1: 5, 2: 6}]


@pytest.mark.django_db
def test_a_number_does_not_return_when_its_clip_is_deleted(clips):
    VideoPerson.draw(clips[0])
    clips[0].delete()
    assert VideoPerson.draw(clips[1]).person_id == 2


@pytest.mark.django_db
def test_a_tracked_person_never_gets_the_number_of_a_drawn_one(clips):
    run = make_run(clips[0], persons=1)
    drawn = VideoPerson.draw(clips[0])
    person = Person(run=run, track_id=9, person_id=drawn.person_id)
    with pytest.raises(IdentityError, match="drawn in this video"), transaction.atomic():
        add_persons(clips[0].video, [person])
    assert run.persons.count() == 1


@pytest.mark.django_db(transaction=True)
def test_persons_drawn_and_tracked_at_the_same_moment_differ(clips):
    """Consensuses of several clips and an identity run, each in its own connection."""
    video = clips[0].video

    def draw(number):
        try:
            with transaction.atomic():
                return {VideoPerson.draw(clips[number % 2]).person_id}
        finally:
            connections.close_all()

    def track(number):
        try:
            with transaction.atomic():
                highest = highest_person_id(video)
                mine = {highest + 1, highest + 2}
                labels = dict.fromkeys(mine, "person")
                return mine - VideoPerson.add_tracked(video, labels)
        finally:
            connections.close_all()

    jobs = [draw, draw, track] * 5
    with ThreadPoolExecutor(5) as pool:
        found = list(pool.map(lambda job: job[1](job[0]), enumerate(jobs)))
    drawn = [
        number for job, its in zip(jobs, found, strict=True) if job is draw for number in its
    ]
    assert len(drawn) == len(set(drawn)) == 10
    rows = VideoPerson.objects.filter(video=video, is_drawn=True)
    assert sorted(rows.values_list("person_id", flat=True)) == sorted(drawn)


@pytest.mark.django_db(transaction=True)
def test_numbers_of_older_installations_become_rows():
    """Also the number of a decision whose person no run shows any more."""
    before = [("qc", "0001_initial"), ("tracking", "0001_initial")]
    executor = MigrationExecutor(connection)
    executor.migrate(before)
    try:
        apps = executor.loader.project_state(before).apps
        video, user = make_video(make_dataset("shop"), "aisle"), make_user()
        clip = make_clips(video)[0]
        run = apps.get_model("tracking", "TrackingRun").objects.create(
            clip_id=clip.pk, config_key="a"
        )
        person = apps.get_model("tracking", "Person")
        person.objects.create(run=run, track_id=1, person_id=1)
        drawn = apps.get_model("tracking", "DrawnPerson")
        drawn.objects.create(video_id=video.pk, clip_id=clip.pk, person_id=2)
        adjudication = apps.get_model("qc", "Adjudication")
        for number in (1, 2, 7, 7):
            adjudication.objects.create(
                clip_id=clip.pk, second=3, person_id=number, decided_by_id=user.pk
            )
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())
    rows = VideoPerson.objects.order_by("person_id").values_list("person_id", "is_drawn")
    assert list(rows) == [(1, False), (2, True), (7, False)]
    decided = VideoPerson.objects.filter(adjudications__second=3).order_by("person_id")
    assert list(decided.values_list("person_id", flat=True)) == [1, 2, 7, 7]
