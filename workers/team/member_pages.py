"""Pages of members: who is a member, invitations, and the page that an invitation leads to."""

from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.models import User
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from annotation.models import Annotator
from annotation.selectors.members import member_rows
from avaproject.base.views import parse_key
from datasets.core.roles import MEANING, Act, acts_by_key
from datasets.models import Dataset, Invitation, Member
from datasets.selectors import permitted_datasets
from datasets.services import members as service
from datasets.services.members import InvitationError, MemberError, find_invitation
from workers.team import label_links
from workers.team.forms import AccountForm, InvitationForm
from workers.team.joining import change_role, join, leave
from workers.team.label_links import LabelLinkError

BACKEND = "django.contrib.auth.backends.ModelBackend"
NEW_LINK = "invitation-link"  # key in the session, until the link was shown once


@login_required
@require_http_methods(["GET", "POST"])
def members(request: HttpRequest, name: str) -> HttpResponse:
    """Members and invitations; POST makes an invitation and shows its link once."""
    dataset = _dataset(request, name, Act.INVITE_ANNOTATORS)
    user = cast(User, request.user)
    form = InvitationForm(
        request.POST or None, dataset=dataset, user=user, has_email=bool(settings.EMAIL_URL)
    )
    if request.method == "POST" and form.is_valid():
        try:
            made, token = service.invite(dataset, by=user, **form.cleaned_data)
        except MemberError as error:
            form.add_error(None, str(error))
        else:
            _hand_over(request, made, token)
            return redirect("workers:members", name=name)
    context = {
        "dataset": dataset,
        "form": form,
        "rows": member_rows(dataset),
        "roles": Member.Role.choices,
        "link": request.session.pop(NEW_LINK, "") if request.method == "GET" else "",
        "others": _others(dataset, user),
        "local_annotators": _local_annotators(dataset),
        "invitations": _invitations(dataset).open(timezone.now()).select_related("created_by"),
    }
    return render(request, "workers/members.html", context, status=422 if form.errors else 200)


def _others(dataset: Dataset, user: User) -> list[Member]:
    """To whom `user` can hand the dataset over; nobody unless they are an owner."""
    if Act.MANAGE_MEMBERS.key not in dataset.may:
        return []
    return list(dataset.members.exclude(user=user).select_related("user").order_by("pk"))


@login_required
@require_POST
def transfer(request: HttpRequest, name: str) -> HttpResponse:
    """Hand the dataset over to the member posted as `member`."""
    member = _member(request, name)
    try:
        service.transfer_ownership(member.dataset, by=cast(User, request.user), to=member.user)
        messages.success(
            request,
            _("%(user)s owns %(name)s now; you are a manager.")
            % {"user": member.user, "name": name},
        )
    except MemberError as error:
        messages.error(request, str(error))
    return _back(request, name)


def _local_annotators(dataset: Dataset) -> Any:
    """Annotators who can get a label link: without an account, on one computer."""
    if not label_links.is_available():
        return Annotator.objects.none()
    without = Q(user=None) | Q(user__password__startswith=UNUSABLE_PASSWORD_PREFIX)
    return dataset.annotators.filter(without, is_simulated=False)


def _hand_over(request: HttpRequest, made: Invitation, token: str) -> None:
    """Send the link of an invitation by e-mail, or keep it for the next page."""
    path = reverse("workers:join", args=[token])
    base = settings.PUBLIC_URL
    link = f"{base}{path}" if base else request.build_absolute_uri(path)
    if made.email:
        try:
            title = _("Invitation to %(dataset)s") % {"dataset": made.dataset}
            body = _(
                "%(user)s invites you to work on the dataset %(dataset)s as %(role)s.\n\n"
                "Open this link until %(day)s:\n%(link)s\n"
            ) % {
                "user": made.created_by, "dataset": made.dataset, "role": made.role,
                "day": f"{made.expires_at:%Y-%m-%d}", "link": link,
            }  # fmt: skip
            send_mail(title, body, None, [made.email])
        except OSError as error:
            messages.error(
                request,
                _("The e-mail could not be sent (%(error)s). Send the link.")
                % {"error": error},
            )
        else:
            messages.success(
                request, _("The invitation was sent to %(email)s.") % {"email": made.email}
            )
            return
    request.session[NEW_LINK] = link


@login_required
@require_POST
def revoke(request: HttpRequest, name: str) -> HttpResponse:
    dataset = _dataset(request, name, Act.INVITE_ANNOTATORS)
    key = parse_key(request.POST.get("invitation", ""))
    invitation = get_object_or_404(_invitations(dataset), pk=key)
    service.revoke(invitation)
    messages.success(request, _("The invitation is revoked; its link is void."))
    return redirect("workers:members", name=name)


def _invitations(dataset: Dataset) -> Any:
    """Those that the user may revoke: all for an owner, else those of annotators."""
    invitations = Invitation.objects.filter(dataset=dataset)
    if Act.MANAGE_MEMBERS.key in dataset.may:
        return invitations
    return invitations.filter(role=Member.Role.ANNOTATOR)


@login_required
@require_POST
def role(request: HttpRequest, name: str) -> HttpResponse:
    """Give the member posted as `member` the role posted as `role`."""
    member = _member(request, name)
    wanted = request.POST.get("role", "")
    if wanted not in Member.Role.values:
        messages.error(request, _("There is no role %(wanted)s.") % {"wanted": wanted})
        return redirect("workers:members", name=name)
    try:
        change_role(member, wanted)
        messages.success(
            request, _("%(user)s is %(wanted)s now.") % {"user": member.user, "wanted": wanted}
        )
    except MemberError as error:
        messages.error(request, str(error))
    return _back(request, name)


@login_required
@require_POST
def remove(request: HttpRequest, name: str) -> HttpResponse:
    """Remove the member posted as `member`; their answers and decisions stay."""
    member = _member(request, name)
    try:
        leave(member)
        messages.success(
            request,
            _("%(user)s is no longer a member. Their answers stay.") % {"user": member.user},
        )
    except MemberError as error:
        messages.error(request, str(error))
    return _back(request, name)


def _back(request: HttpRequest, name: str) -> HttpResponse:
    """The page of members, unless the user has just lost it."""
    may_open = permitted_datasets(request.user, Act.INVITE_ANNOTATORS).filter(name=name)
    return redirect("workers:members", name=name) if may_open.exists() else redirect("/")


def _dataset(request: HttpRequest, name: str, act: Act) -> Dataset:
    return get_object_or_404(permitted_datasets(request.user, act), name=name)


def _member(request: HttpRequest, name: str) -> Member:
    members = _dataset(request, name, Act.MANAGE_MEMBERS).members
    key = parse_key(request.POST.get("member", ""))
    return get_object_or_404(members.select_related("user", "dataset"), pk=key)


@login_required
@require_POST
def new_label_link(request: HttpRequest, name: str) -> HttpResponse:
    """Make the label link of the annotator posted as `annotator`, and show it once."""
    dataset = _dataset(request, name, Act.INVITE_ANNOTATORS)
    key = parse_key(request.POST.get("annotator", ""))
    annotator = get_object_or_404(dataset.annotators, pk=key)
    try:
        path = label_links.label_link(annotator.name)
        request.session[NEW_LINK] = request.build_absolute_uri(path)
    except LabelLinkError as error:
        messages.error(request, str(error))
    return redirect("workers:members", name=name)


@never_cache
@require_http_methods(["GET", "POST"])
def label_link(request: HttpRequest, token: str) -> HttpResponse:
    """The page of a label link; POST begins to label, without a password."""
    try:
        user = label_links.open_label_link(token, request)
    except LabelLinkError as error:
        return render(request, "workers/label_link.html", {"error": str(error)}, status=410)
    if request.method == "POST":
        login(request, user, backend=BACKEND)
        request.session.set_expiry(label_links.HOURS * 3600)
        return redirect("qc:my")
    return render(request, "workers/label_link.html", {"annotator": user})


@never_cache
@sensitive_post_parameters("password1", "password2")
@require_http_methods(["GET", "POST"])
def accept(request: HttpRequest, token: str) -> HttpResponse:
    """The page of an invitation: join with one's account, or with a new one."""
    try:
        invitation = find_invitation(token)
    except InvitationError as error:
        return render(request, "workers/invitation.html", {"error": str(error)}, status=410)
    is_new = not request.user.is_authenticated
    form = AccountForm(request.POST or None) if is_new else None
    if request.method == "POST" and (form is None or form.is_valid()):
        try:
            with transaction.atomic():
                user = form.save() if form else cast(User, request.user)
                member, joined = join(invitation, user=user)
        except InvitationError as error:
            return render(request, "workers/invitation.html", {"error": str(error)}, status=410)
        if form:
            login(request, user, backend=BACKEND)
        if joined:
            messages.success(
                request,
                _("You are %(role)s of %(dataset)s now.")
                % {"role": member.role, "dataset": member.dataset},
            )
        else:
            messages.info(
                request,
                _("You are %(role)s of %(dataset)s already.")
                % {"role": member.role, "dataset": member.dataset},
            )
        return redirect("/")
    may = acts_by_key(invitation.role)
    context = {
        "invitation": invitation,
        "form": form,
        "acts": [MEANING[act] for act in Act if act.key in may],
        "here": reverse("workers:join", args=[token]),
    }
    return render(
        request, "workers/invitation.html", context, status=422 if form and form.errors else 200
    )
