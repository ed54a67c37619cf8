import errno
import re
from datetime import timedelta

import pytest
from celery import shared_task
from django.core.management import call_command
from django.db import DataError, connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from avaproject import VERSION
from avaproject.base.work import Stage
from datasets.models import Clip, Video
from qc.models import Release, StatusClock
from tests.make import make_clips, make_dataset, make_video
from tracking.models import TrackingRun
from workers import doctor
from workers.models import InstalledVersion, PlanFault
from workers.pipeline import STEPS, Step
from workers.planning import Planner, current_faults, open_steps
from workers.versions import VersionError, check_version, this_version

pytestmark = pytest.mark.django_db


@shared_task
def do_nothing(pk: int) -> None:
    pass


def step(name, plan, model=Video):
    return Step(name, plan, model, do_nothing)


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOLCK, "No locks available"), DataError("value too long")]
)
def test_a_plan_that_fails_stops_no_other_and_says_why(error, client, admin_user):
    planned, is_broken = [], True

    def fail(since):
        if is_broken:
            raise error

    planner = Planner([step("watch", fail), step("cut", planned.append)])
    planner.run_round()
    planner.run_round()
    assert len(planned) == 2
    [fault] = current_faults()
    assert (fault.step, str(error) in fault.message) == ("watch", True)
    client.force_login(admin_user)
    page = client.get(reverse("workers:work")).content.decode()
    assert "watch" in page
    assert fault.message.split(":")[0] in page
    check = doctor.check_plans()
    assert (check.status, "watch" in check.message) == (doctor.Status.ERROR, True)
    is_broken = False
    planner.run_round()
    assert current_faults() == []
    assert doctor.check_plans().status == doctor.Status.OK


def test_a_plan_that_failed_looks_at_everything_again():
    seen = []

    def fail_second(since):
        seen.append(since)
        if len(seen) == 2:
            raise OSError("away")

    planner = Planner([step("watch", fail_second)])
    for _ in range(4):
        planner.run_round()
    assert [since is None for since in seen] == [True, False, True, False]


def test_the_fault_of_another_machine_stays():
    PlanFault.objects.create(step="watch", host="elsewhere", message="OSError: away")
    Planner([step("watch", lambda since: None)]).run_round()
    assert [fault.host for fault in current_faults()] == ["elsewhere"]


def test_a_step_is_planned_no_more_often_than_its_interval():
    planned = []
    slow = Step("slow", planned.append, Video, do_nothing, interval=60.0)
    planner = Planner([slow])
    planner.run_round()
    planner.run_round()
    assert planned == [None]


def test_a_step_is_passed_over_until_something_that_it_reads_has_changed():
    planned = []
    video = make_video(make_dataset())
    Video.objects.update(modified_at=Now() - timedelta(hours=1))
    reader = Step("cut", planned.append, Clip, do_nothing, reads=(Video,))
    planner = Planner([reader])
    for _ in range(3):
        planner.run_round()
    assert planned == [None]  # the first round looks at everything
    Video.objects.filter(pk=video.pk).update(width=640)
    planner.run_round()
    assert len(planned) == 2


@pytest.mark.parametrize(
    "step",
    [one for one in STEPS if one.reads and one.model != Release],
    ids=lambda one: one.name,
)
def test_a_step_names_every_model_whose_changes_its_plan_looks_at(step):
    with CaptureQueriesContext(connection) as queries:
        step.plan(timezone.now() - timedelta(minutes=1))
    pattern = r'"(\w+)"\."(?:modified|reviewed)_at" >='
    looked_at = {table for one in queries for table in re.findall(pattern, one["sql"])}
    assert looked_at <= {model._meta.db_table for model in step.reads}
    assert looked_at


def test_only_steps_with_open_rows_are_returned():
    make_clips(make_video(make_dataset()), stage=Stage.RUNNING)
    assert [one.model for one in open_steps(STEPS)] == [Clip]
    assert open_steps([]) == []


def test_an_idle_round_makes_few_queries():
    make_clips(make_video(make_dataset()))
    planner = Planner()
    planner.run_round()
    long_ago = Now() - timedelta(hours=1)
    for model in (Clip, Video, TrackingRun):
        model.objects.update(stage=Stage.DONE, modified_at=long_ago)
    StatusClock.objects.update(as_of=long_ago)
    planner.run_round()
    with CaptureQueriesContext(connection) as queries:
        planner.run_round()
    assert len(queries) < 16, "\n".join(query["sql"] for query in queries)


def test_a_worker_of_another_version_is_refused_with_a_sentence():
    check_version()
    InstalledVersion.objects.update(version="9.9.9")
    with pytest.raises(VersionError, match="was migrated by AVA Studio"):
        Planner().run_round()
    with pytest.raises(VersionError):
        call_command("run_pipeline", once=True)


def test_a_program_with_other_migrations_is_another_version():
    check_version()
    InstalledVersion.objects.update(version=f"{VERSION} (0badcafe)")
    with pytest.raises(VersionError, match="0badcafe"):
        Planner().run_round()


def test_a_migration_records_the_version():
    InstalledVersion.objects.all().delete()
    call_command("migrate", verbosity=0)
    check_version()
    assert InstalledVersion.objects.get().version == this_version()
    assert this_version().startswith(f"{VERSION} (")
