"""My tasks: the page that annotators begin with."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from qc.selectors.my_tasks import TASKS_SHOWN, my_datasets


@login_required
@require_GET
def my_tasks(request: HttpRequest) -> HttpResponse:
    """The user's tasks over all datasets; the next one is the primary button."""
    rows = my_datasets(request.user)
    returned = [one.next for one in rows if one.returned]
    upcoming = returned or [one.next for one in rows if one.next]
    context = {
        "rows": rows,
        "next": upcoming[0] if upcoming else None,
        "hours_left": sum(one.hours_left for one in rows),
        "left": sum(one.left for one in rows),
        "shown": f":{TASKS_SHOWN}",
    }
    return render(request, "qc/my.html", context)
