"""A database that is locked or not there is answered with 503, other errors with 500."""

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.urls import reverse

from tests.make import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def failing(client, monkeypatch):
    """A client without exceptions, whose page of datasets raises what it is given."""
    client.force_login(make_user("kim"))
    client.raise_request_exception = False

    def answer(error, **headers):
        def fail(*arguments, **named):
            raise error

        monkeypatch.setattr("datasets.views.pages.render", fail)
        return client.get(reverse("datasets:list"), headers=headers)

    return answer


def test_a_locked_database_is_busy_for_a_moment(failing):
    page = failing(OperationalError("database is locked"))
    assert (page.status_code, page["Retry-After"]) == (503, "2")
    assert "The database is busy" in page.content.decode()


def test_a_script_gets_the_sentence_as_json(failing):
    answer = failing(OperationalError("database is locked"), x_requested_with="XMLHttpRequest")
    assert answer.status_code == 503
    assert answer.json()["error"].startswith("The database is busy")


@pytest.mark.parametrize(
    ("error", "on_sqlite", "on_postgresql"),
    [
        (OperationalError("server closed the connection unexpectedly"), 500, 503),
        (InterfaceError("connection already closed"), 500, 503),
        (OperationalError("no such table: kept"), 500, 503),
        (ValueError("database is locked"), 500, 500),
    ],
)
def test_an_error_that_stays_is_an_error(failing, error, on_sqlite, on_postgresql):
    expected = on_sqlite if connection.vendor == "sqlite" else on_postgresql
    page = failing(error)
    assert page.status_code == expected
    assert ("Retry-After" in page) == (expected == 503)
