"""The real CVAT server, and what its tests ask of a dataset in it."""

import os

import pytest

from annotation.models import AnswerVersion, CvatJob
from tests.cvat_double.steps import read_all, reconciled

URL = os.environ.get("AVA_TEST_CVAT_URL", "")
ORGANISATION = os.environ.get("AVA_TEST_CVAT_ORGANISATION", "")
TOKEN = os.environ.get("AVA_TEST_CVAT_TOKEN", "")

MARKS = [
    pytest.mark.cvat,
    pytest.mark.shared,
    pytest.mark.skipif(not URL, reason="no CVAT server: set AVA_TEST_CVAT_URL"),
    pytest.mark.django_db,
]


def job_of(dataset) -> CvatJob:
    return CvatJob.objects.get(task__clip__video__dataset=dataset, job_id__isnull=False)


def finished(client, dataset) -> AnswerVersion:
    client.change_job(job_of(dataset).job_id, state="completed")
    reconciled(dataset)
    read_all()
    return AnswerVersion.objects.order_by("-pk")[0]


def said(version, person: int, group: str) -> list:
    rows = version.annotations.filter(person_id=person).order_by("second")
    return [row.answers[group] for row in rows]
