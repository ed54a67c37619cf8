"""The page of one action: rename, merge or retire it after labelling, with what that does."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from annotation.models import AnswerVersion
from annotation.services.action_changes import (
    ActionChangeError,
    action_use,
    check_new_name,
    merge_action,
    rename_action,
    restore_action,
    retire_action,
)
from avaproject.base.views import parse_key
from datasets.core.roles import Act
from datasets.models import Action
from datasets.selectors import permitted_datasets

VERSIONS_AT_ONCE = 300  # of answers, counted while the page is made; more, when it is there


@login_required
@require_http_methods(["GET", "POST"])
def action_changes(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """GET shows what a change would do, POST makes it: `change` is rename, merge or retire."""
    dataset = get_object_or_404(permitted_datasets(request.user, Act.CONFIGURE), name=name)
    actions = Action.objects.filter(dataset=dataset).select_related("group", "merged_into")
    action = get_object_or_404(actions, pk=pk)
    typed = request.POST or request.GET
    change, new_name = typed.get("change", ""), " ".join(typed.get("new", "").split())
    others = [one for one in action.group.shown_actions() if one.pk != action.pk]
    into = next((one for one in others if one.pk == parse_key(typed.get("into", ""))), None)
    if request.method == "POST":
        try:
            messages.success(request, _change(action, change, new_name, into))
        except ActionChangeError as error:
            messages.error(request, _("Nothing was changed: %(error)s.") % {"error": error})
        return redirect("annotation:action-changes", name=name, pk=pk)
    if change == "rename":
        try:
            check_new_name(action, new_name)
        except ActionChangeError as error:
            messages.error(request, _("Nothing was changed: %(error)s.") % {"error": error})
            change = ""
    versions = AnswerVersion.objects.filter(task__clip__video__dataset=dataset)
    at_once = "HX-Request" in request.headers or "now" in typed
    is_counted = at_once or not versions.order_by()[VERSIONS_AT_ONCE:].exists()
    context: dict[str, Any] = {
        "dataset": dataset, "action": action, "others": others, "change": change,
        "use": action_use(action) if is_counted else None, "new_name": new_name, "into": into,
    }  # fmt: skip
    return render(request, "annotation/action.html", context)


def _change(action: Action, change: str, new_name: str, into: Action | None) -> str:
    """Make a change; what was done, as a sentence. Raises ActionChangeError."""
    if change == "rename":
        count = rename_action(action, new_name)
        done = _("%(action)s is called %(name)s now.") % {"action": action, "name": new_name}
        return f"{done} {_read_again(count)}"
    if change == "merge" and into is not None:
        count = merge_action(action, into)
        done = _("%(action)s counts as %(into)s now.") % {"action": action, "into": into}
        return f"{done} {_read_again(count)}"
    if change == "retire":
        retire_action(action)
        return _("%(action)s is no longer offered.") % {"action": action}
    if change == "restore":
        restore_action(action)
        return _("%(action)s is offered again.") % {"action": action}
    raise ActionChangeError(_("choose what to change"))


def _read_again(count: int) -> str:
    return (
        ngettext("%d answer will be read again.", "%d answers will be read again.", count)
        % count
    )
