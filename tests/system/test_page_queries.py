"""Every page takes the same number of queries, however much it shows."""

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from benchmarks.filled import rows
from benchmarks.filled.addresses import page_addresses, unlisted_views

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.slow,
    pytest.mark.skipif(
        connection.vendor != "sqlite", reason="empties the database inside a transaction"
    ),
]


def queries_of_all_pages(clips, datasets):
    call_command("flush", interactive=False, verbosity=0)
    cache.clear()
    rows.fill(clips, datasets, is_finished=False)
    rows.fill_boxes()
    rows.fill_records()
    rows.store_tracks()
    rows.summarise()
    operator = User.objects.create_user("operator", is_staff=True, is_superuser=True)
    member, staff = Client(), Client()
    member.force_login(User.objects.get(username="reviewer"))
    staff.force_login(operator)
    counts = {}
    for page in page_addresses():
        client = staff if page.is_for_operators else member
        if not page.is_for_operators or not counts:  # pages for operators keep nothing
            client.get(page.url)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(page.url).status_code in (200, 302), page.title
        counts[page.title] = len(queries)
    return counts


def test_every_view_is_opened_here_or_named_as_no_page():
    rows.fill(40, 2, is_finished=False)
    rows.fill_records()
    assert unlisted_views() == set()


def test_every_page_takes_the_same_queries_at_three_times_the_size():
    few, many = queries_of_all_pages(40, 2), queries_of_all_pages(120, 6)
    assert {title: (few[title], count) for title, count in many.items()
            if count != few[title]} == {}  # fmt: skip
