"""Pages of lists."""

from django.test import RequestFactory

from avaproject.base.views import paginate


class Rows(list):
    """A queryset that must not count itself."""

    def count(self):
        raise AssertionError("counted")


def page(number, **options):
    return paginate(RequestFactory().get("/", {"page": number}), Rows("abcde"), **options)


def test_a_known_number_of_rows_is_not_counted_again():
    found = page("2", size=2, count=5)
    assert (list(found), found.paginator.count, found.paginator.num_pages) == (
        ["c", "d"],
        5,
        3,
    )


def test_the_nearest_page_is_shown():
    assert list(page("99", size=2, count=5)) == ["e"]
    assert list(page("x", size=2, count=5)) == ["a", "b"]
    assert list(page("1", size=2, count=0)) == []
