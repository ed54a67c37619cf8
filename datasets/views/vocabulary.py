"""The vocabulary page: groups and actions in the order that annotators see, and their limits.

The page is one form. `group` lists the keys of the groups in their order, `<key>-action` those
of their actions; `remove` names actions and groups to leave out. Buttons `move` without
JavaScript save with one thing moved: "action-12-up", "group-3-down".
"""

import re
from typing import Any, NamedTuple

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from avaproject.base.views import parse_key
from datasets.core.roles import Act
from datasets.core.vocabulary import VocabularyError, warnings_of
from datasets.forms import GroupForm
from datasets.models import Action, ActionGroup, Dataset
from datasets.selectors import permitted_datasets, vocabulary_of
from datasets.services.vocabulary import (
    WantedAction,
    WantedGroup,
    change_vocabulary,
    is_in_use,
)

NEW = "new"
MOVE = re.compile(r"(action|group)-(\d{1,18})-(up|down)\Z")


class EditedGroup(NamedTuple):
    """A group as the page shows it; the one without a row is there to be filled in."""

    form: GroupForm
    actions: list[Action]


@login_required
@require_http_methods(["GET", "POST"])
def vocabulary(request: HttpRequest, name: str) -> HttpResponse:
    dataset = get_object_or_404(permitted_datasets(request.user, Act.CONFIGURE), name=name)
    is_fixed = is_in_use(dataset)
    groups = _groups(request, dataset, is_fixed=is_fixed)
    error = ""
    if request.method == "POST" and all(one.form.is_valid() for one in groups):
        try:
            count = change_vocabulary(dataset, _wanted(request, groups, is_fixed=is_fixed))
        except VocabularyError as refused:
            error = _("Nothing was saved: %(refused)s.") % {"refused": refused}
        else:
            added = ngettext("%d action is new.", "%d actions are new.", count) % count
            saved = _("Vocabulary saved.")
            messages.success(request, f"{saved} {added}" if count else saved)
            return redirect("datasets:vocabulary", name=name)
    if len(groups) == dataset.groups.count():
        groups.append(EditedGroup(GroupForm(prefix=NEW, use_required_attribute=False), []))
    changed = Action.objects.filter(dataset=dataset).exclude(retired_at=None, merged_into=None)
    context = {
        "dataset": dataset, "groups": groups, "is_fixed": is_fixed, "error": error,
        "warnings": warnings_of(vocabulary_of(dataset)),
        "no_longer_offered": changed.select_related("group", "merged_into"),
    }  # fmt: skip
    is_wrong = request.method == "POST"
    return render(request, "datasets/vocabulary.html", context, status=422 if is_wrong else 200)


def _groups(request: HttpRequest, dataset: Dataset, *, is_fixed: bool) -> list[EditedGroup]:
    """The groups with their forms: as stored, or as posted and in the posted order."""
    rows = list(dataset.groups.prefetch_related("actions"))
    if request.method != "POST":
        return [
            EditedGroup(
                GroupForm(instance=row, prefix=str(row.pk), is_fixed=is_fixed),
                row.shown_actions(),
            )
            for row in rows
        ]
    keys = request.POST.getlist("group")
    places = {key: place for place, key in enumerate(keys)}
    rows.sort(key=lambda row: places.get(str(row.pk), len(keys)))
    actions = {str(one.pk): one for row in rows for one in row.shown_actions()}
    posted = [request.POST.getlist(f"{row.pk}-action") for row in rows]
    found = [
        EditedGroup(
            GroupForm(request.POST, instance=row, prefix=str(row.pk), is_fixed=is_fixed),
            [actions[key] for key in keys if key in actions] or row.shown_actions(),
        )
        for row, keys in zip(rows, posted, strict=True)
    ]
    if any(request.POST.get(f"{NEW}-{field}", "").strip() for field in ("name", "added")):
        new = GroupForm(
            request.POST, prefix=NEW, instance=ActionGroup(dataset=dataset),
            use_required_attribute=False,
        )  # fmt: skip
        found.append(EditedGroup(new, []))
    return found


def _wanted(
    request: HttpRequest, groups: list[EditedGroup], *, is_fixed: bool
) -> list[WantedGroup]:
    removed = set() if is_fixed else set(request.POST.getlist("remove"))
    kept = [one for one in groups if f"group-{one.form.instance.pk}" not in removed]
    found = []
    for form, actions in _moved(request.POST.get("move", ""), kept):
        names = [
            WantedAction(_name(request, action, is_fixed=is_fixed), action.pk)
            for action in actions
            if f"action-{action.pk}" not in removed
        ]
        values: dict[str, Any] = {
            name: form.cleaned_data[name] for name in GroupForm.Meta.fields
        }
        new = tuple(WantedAction(name) for name in form.added_names())
        found.append(WantedGroup(**values, actions=(*names, *new), pk=form.instance.pk))
    return found


def _name(request: HttpRequest, action: Action, *, is_fixed: bool) -> str:
    name = action.name if is_fixed else request.POST.get(f"action-{action.pk}", action.name)
    return name.strip()


def _moved(move: str, groups: list[EditedGroup]) -> list[EditedGroup]:
    """`groups` with one action or group moved by one place."""
    if not (match := MOVE.match(move)):
        return groups
    kind, pk, by = match[1], parse_key(match[2]), -1 if match[3] == "up" else 1
    rows: list[list[Any]] = [one.actions for one in groups] if kind == "action" else [groups]
    for row in rows:
        keys = [one.form.instance.pk if kind == "group" else one.pk for one in row]
        place = keys.index(pk) if pk in keys else -1
        if place >= 0 and 0 <= place + by < len(row):
            row[place], row[place + by] = row[place + by], row[place]
    return groups
