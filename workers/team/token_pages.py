"""The page of one's access tokens: make one, which is shown once, and revoke it."""

from typing import cast

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from avaproject.base.views import parse_key
from datasets.accounts.quotas import usage
from datasets.accounts.tokens import MAX_DAYS, SCOPES, make_token, revoke_token
from datasets.models import AccessToken, Dataset
from datasets.selectors import permitted_datasets

NEW_TOKEN = "access-token"  # noqa: S105  key in the session, until it was shown once
REVOKED_SHOWN = 20


class TokenForm(forms.Form):
    """A new access token."""

    name = forms.CharField(label=gettext_lazy("What it is for"), max_length=80)
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("It may"), widget=forms.CheckboxSelectMultiple, initial=["read"],
        choices=lambda: [(name, f"{name}: {_(text)}") for name, text in SCOPES.items()],
    )  # fmt: skip
    dataset = forms.ModelChoiceField(
        Dataset.objects.none(), to_field_name="name", required=False,
        empty_label=gettext_lazy("All of your datasets"),
    )  # fmt: skip
    days = forms.IntegerField(
        label=gettext_lazy("Days valid"), min_value=1, max_value=MAX_DAYS, initial=90
    )

    def __init__(self, data: object, *, user: User) -> None:
        super().__init__(data)  # type: ignore[arg-type]
        mine = permitted_datasets(user)
        self.fields["dataset"].queryset = mine  # type: ignore[attr-defined]


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """The account's tokens; POST makes one."""
    user = cast(User, request.user)
    form = TokenForm(request.POST or None, user=user)
    if request.method == "POST" and form.is_valid():
        _, token = make_token(user, **form.cleaned_data)
        request.session[NEW_TOKEN] = token
        return redirect("workers:tokens")
    mine = AccessToken.objects.filter(user=user).select_related("dataset")
    now = timezone.now()
    context = {
        "form": form,
        "valid": mine.valid(now),
        "ended": mine.exclude(pk__in=mine.valid(now).values("pk"))[:REVOKED_SHOWN],
        "token": request.session.pop(NEW_TOKEN, "") if request.method == "GET" else "",
        "usage": usage(user),
    }
    return render(request, "workers/tokens.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
def revoke(request: HttpRequest) -> HttpResponse:
    """Revoke the token posted as `token`."""
    key = parse_key(request.POST.get("token", ""))
    mine = AccessToken.objects.filter(user=cast(User, request.user))
    revoke_token(get_object_or_404(mine, pk=key))
    messages.success(request, _("The token is revoked; it opens nothing any more."))
    return redirect("workers:tokens")
