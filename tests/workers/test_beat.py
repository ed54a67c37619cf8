"""Beat plans in its own process, and no fault of a round ends it."""

import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import OperationalError
from kombu.utils.imports import symbol_by_name

from avaproject.celery import app
from workers import beat
from workers.beat import PlanningScheduler
from workers.versions import VersionError

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def rounds(monkeypatch, settings, tmp_path):
    """What happens in the next rounds: None, or an error."""
    faults: list[Exception | None] = []

    def advance():
        if faults and (fault := faults.pop(0)):
            raise fault

    advance.name = beat.advance.name
    monkeypatch.setattr(beat, "advance", advance)
    settings.CELERY_BEAT_SCHEDULE_FILENAME = str(tmp_path / "celerybeat-schedule")
    return faults


@pytest.fixture
def scheduler():
    return PlanningScheduler(app)


def test_it_is_the_scheduler_of_beat():
    assert symbol_by_name(app.conf.beat_scheduler) is PlanningScheduler


def test_advancing_waits_for_no_worker(scheduler, rounds, monkeypatch, settings):
    sent = []
    monkeypatch.setattr(
        scheduler, "apply_async", lambda entry, **options: sent.append(entry.task)
    )
    for entry in scheduler.schedule.values():
        scheduler.apply_entry(entry)
    assert sent == ["workers.tasks.move_files"]
    assert Path(settings.CELERY_BEAT_SCHEDULE_FILENAME).exists()


def test_a_step_back_of_the_clock_does_not_stop_it(scheduler, rounds, monkeypatch):
    """What was due at ten past twelve is not waited for when it is twelve again."""
    entry = scheduler.schedule["advance"]
    scheduler.tick()
    entry.last_run_at += timedelta(minutes=10)
    scheduler._heap = None
    assert scheduler.tick() > 9
    monkeypatch.setattr(scheduler, "_last_tick", time.time() + 600)
    scheduler.tick()
    assert entry.is_due().next <= 10


@pytest.mark.parametrize("fault", [OperationalError("away"), ConnectionError("no Redis")])
def test_a_fault_ends_only_its_round(scheduler, rounds, settings, fault):
    rounds += [fault, None]
    entry = scheduler.schedule["advance"]
    scheduler.apply_entry(entry)
    assert not Path(settings.CELERY_BEAT_SCHEDULE_FILENAME).exists()
    scheduler.apply_entry(entry)
    assert Path(settings.CELERY_BEAT_SCHEDULE_FILENAME).exists()


def test_it_ends_at_a_database_of_another_version(scheduler, rounds):
    rounds.append(VersionError("The database was migrated by AVA Studio 9.9.9"))
    with pytest.raises(SystemExit):
        scheduler.apply_entry(scheduler.schedule["advance"])
