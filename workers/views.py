"""Who works now: the two queues, for the box in the sidebar and a page of its own."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from workers.selectors import queues, steps


@login_required
@require_GET
def work(request: HttpRequest) -> HttpResponse:
    """Both queues; the box of the sidebar for htmx, else the page with every step."""
    rows = steps()
    context = {"queues": queues(rows), "steps": rows}
    if request.headers.get("HX-Target") == "worker-box":
        return render(request, "workers/_box.html", context)
    fragment = "HX-Request" in request.headers
    return render(request, "workers/_work.html" if fragment else "workers/work.html", context)
