"""Pages of notifications: the bell's list, e-mail on or off, and webhooks of a dataset."""

from typing import cast

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from avaproject.base.views import paginate, parse_key
from datasets.accounts.notifications import (
    choose_email,
    mark_read,
    notifications_of,
    wants_email,
)
from datasets.core.roles import Act
from datasets.models import Dataset, Notification, OutgoingMessage, OutgoingWebhook
from datasets.selectors import permitted_datasets
from workers.team.email_and_webhooks import (
    WebhookError,
    add_webhook,
    remove_webhook,
    try_webhook,
)

MESSAGES_SHOWN = 20
NEW_SECRET = "webhook-secret"  # noqa: S105  key in the session, until it was shown once


class WebhookForm(forms.Form):
    """A new webhook."""

    url = forms.URLField(label=gettext_lazy("Address"), max_length=500, assume_scheme="https")
    kinds = forms.MultipleChoiceField(
        label=gettext_lazy("Notifications"), choices=Notification.Kind.choices, required=False,
        widget=forms.CheckboxSelectMultiple, help_text=gettext_lazy("None: all of them."),
    )  # fmt: skip


@login_required
@require_GET
def notification_list(request: HttpRequest) -> HttpResponse:
    """What the account should know, the newest first."""
    user = cast(User, request.user)
    page = paginate(request, notifications_of(user))
    context = {"page": page, "wants_email": wants_email(user), "kinds": Notification.Kind}
    return render(request, "workers/notifications.html", context)


@login_required
@require_POST
def read(request: HttpRequest) -> HttpResponse:
    """Mark the notifications posted as `notification` as read, or all; open the page of one."""
    user = cast(User, request.user)
    keys = [key for text in request.POST.getlist("notification") if (key := parse_key(text))]
    mark_read(user, keys or None)
    found = notifications_of(user).filter(pk__in=keys[:1]).first()
    return redirect(found.url if found else "workers:notifications")


@login_required
@require_POST
def email(request: HttpRequest) -> HttpResponse:
    """Switch e-mail on or off."""
    choose_email(cast(User, request.user), wants_email="wants_email" in request.POST)
    messages.success(request, "Saved.")
    return redirect("workers:notifications")


@login_required
@require_http_methods(["GET", "POST"])
def webhooks(request: HttpRequest, name: str) -> HttpResponse:
    """The webhooks of a dataset; POST adds one and shows its secret once."""
    dataset = _dataset(request, name)
    form = WebhookForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            _, secret = add_webhook(dataset, by=cast(User, request.user), **form.cleaned_data)
        except WebhookError as error:
            form.add_error(None, str(error))
        else:
            request.session[NEW_SECRET] = secret
            return redirect("workers:webhooks", name=name)
    sent = OutgoingMessage.objects.filter(dataset=dataset).exclude(webhook=None)
    context = {
        "dataset": dataset,
        "form": form,
        "hooks": dataset.outgoing_webhooks.select_related("created_by"),
        "labels": dict(Notification.Kind.choices),
        "sent": sent.select_related("webhook").order_by("-pk")[:MESSAGES_SHOWN],
        "secret": request.session.pop(NEW_SECRET, "") if request.method == "GET" else "",
    }
    return render(request, "workers/webhooks.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
def webhook_remove(request: HttpRequest, name: str) -> HttpResponse:
    remove_webhook(_hook(request, name))
    messages.success(request, _("The webhook was removed."))
    return redirect("workers:webhooks", name=name)


@login_required
@require_POST
def webhook_try(request: HttpRequest, name: str) -> HttpResponse:
    try_webhook(_hook(request, name))
    messages.success(request, _("A test is being sent."))
    return redirect("workers:webhooks", name=name)


@login_required
@require_POST
def webhook_retry(request: HttpRequest, name: str) -> HttpResponse:
    """Send the message posted as `message` again, or all that failed or wait."""
    dataset = _dataset(request, name)
    rows = OutgoingMessage.objects.filter(dataset=dataset).exclude(webhook=None)
    if text := request.POST.get("message", ""):
        rows = rows.filter(pk=parse_key(text) or 0)
    count = rows.retry() + rows.retry_now()
    sentence = ngettext("%d will be sent again.", "%d will be sent again.", count)
    messages.info(request, sentence % count if count else _("Nothing to send."))
    return redirect("workers:webhooks", name=name)


def _dataset(request: HttpRequest, name: str) -> Dataset:
    return get_object_or_404(permitted_datasets(request.user, Act.CONFIGURE), name=name)


def _hook(request: HttpRequest, name: str) -> OutgoingWebhook:
    key = parse_key(request.POST.get("webhook", ""))
    return get_object_or_404(_dataset(request, name).outgoing_webhooks, pk=key)
