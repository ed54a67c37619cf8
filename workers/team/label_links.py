"""Label links: labelling without an account, by signed links for this computer alone."""

from ipaddress import ip_address

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.core import signing
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext

from annotation.models import Annotator
from avaproject.middleware import came_through_a_proxy
from datasets.models import Member

SALT = "label link"
HOURS = 12
# A request with one of these has come through a proxy: its peer is not the browser.


class LabelLinkError(ValueError):
    """A link that cannot be made or opened; the message says why."""


def is_available() -> bool:
    """Whether this installation runs on one machine; not if it says that it has a proxy."""
    return not (settings.HTTPS or settings.PUBLIC_URL)


@transaction.atomic
def label_link(name: str) -> str:
    """The path of a link with which the annotator `name` labels, without a password.

    The account of this name is made without a password, and made an annotator of the datasets
    that have an annotator `name`.

    Raises:
        LabelLinkError: behind a proxy, without such an annotator, or for an account that has a
        password or other roles.
    """
    if not is_available():
        raise LabelLinkError(
            gettext(
                "Label links are for one computer; here AVA_PUBLIC_URL or AVA_HTTPS is set. "
                "Invite annotators on the page Members."
            )
        )
    annotators = Annotator.objects.filter(name=name, is_simulated=False)
    if not annotators.exists():
        raise LabelLinkError(
            gettext("There is no annotator %(name)s; assign tasks to %(name)s first.")
            % {"name": name}
        )
    user, _ = User.objects.get_or_create(
        username=name, defaults={"password": make_password(None)}
    )
    _check(user)
    for annotator in annotators.filter(user=None):
        Member.objects.get_or_create(
            dataset_id=annotator.dataset_id, user=user, defaults={"role": Member.Role.ANNOTATOR}
        )
        annotators.filter(pk=annotator.pk, user=None).update(user=user)
    return reverse("workers:label-link", args=[signing.dumps(user.pk, salt=SALT)])


def open_label_link(token: str, request: HttpRequest) -> User:
    """The account of a link. Raises LabelLinkError from other computers, or if it is void."""
    if not is_available() or not is_from_this_computer(request):
        raise LabelLinkError(
            gettext("This link opens on the computer that made it, and nowhere else.")
        )
    try:
        key = signing.loads(token, salt=SALT, max_age=HOURS * 3600)
    except signing.BadSignature as error:
        raise LabelLinkError(
            gettext("This link is wrong or older than %(hours)s hours.") % {"hours": HOURS}
        ) from error
    user = User.objects.filter(pk=key, is_active=True).first()
    if user is None:
        raise LabelLinkError(gettext("The account of this link was deleted."))
    _check(user)
    return user


def is_from_this_computer(request: HttpRequest) -> bool:
    """Whether the peer of the connection is this computer, and no proxy is in between."""
    if came_through_a_proxy(request):
        return False
    host = request.get_host().rsplit(":", 1)[0].strip("[]")
    return _is_loopback(request.META.get("REMOTE_ADDR", "")) and (
        host == "localhost" or _is_loopback(host)
    )


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _check(user: User) -> None:
    """Raise LabelLinkError for an account that is more than an annotator without a password."""
    others = Member.objects.filter(user=user).exclude(role=Member.Role.ANNOTATOR)
    if user.has_usable_password() or user.is_staff or user.is_superuser or others.exists():
        raise LabelLinkError(
            gettext("%(user)s has an account of their own; log in with its password.")
            % {"user": user}
        )
