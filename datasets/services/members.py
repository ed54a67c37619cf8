"""Members of a dataset: invitations by a link, roles, removal."""

import hashlib
import secrets
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from datasets.accounts.activity import acting, record
from datasets.accounts.quotas import QuotaError, check_takeover
from datasets.core.roles import Act
from datasets.models import Dataset, Invitation, Member


class MemberError(ValueError):
    """A change of members that is not allowed; the message says why."""


class InvitationError(MemberError):
    """An invitation that cannot be accepted."""


def may_invite(user: User, dataset: Dataset, role: str) -> bool:
    """Whether `user` may invite members of `role`."""
    is_annotator = role == Member.Role.ANNOTATOR
    act = Act.INVITE_ANNOTATORS if is_annotator else Act.MANAGE_MEMBERS
    return Dataset.objects.permitting(user, act).filter(pk=dataset.pk).exists()


def invite(
    dataset: Dataset,
    *,
    by: User,
    role: str,
    days: int = 14,
    max_uses: int = 1,
    annotator: str = "",
    email: str = "",
) -> tuple[Invitation, str]:
    """Make an invitation; returns it with its token, which is stored nowhere.

    Args:
        dataset: The dataset.
        by: Who invites.
        role: Of whoever accepts.
        days: How long it holds.
        max_uses: How many people may accept it.
        annotator: Name of an existing annotator whom the account is linked to.
        email: Whom the link is sent to, if anybody.

    Raises:
        MemberError: if `by` may not invite members of this role, or several people would be
        one annotator.
    """
    if not may_invite(by, dataset, role):
        raise MemberError(
            _("You may not invite a member with the role %(role)s.") % {"role": role}
        )
    if annotator and (max_uses > 1 or role != Member.Role.ANNOTATOR):
        raise MemberError(
            _("Only one person can be %(annotator)s: choose the role annotator and one use.")
            % {"annotator": annotator}
        )
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        made = Invitation.objects.create(
            dataset=dataset, role=role, token_sha256=_hash(token), annotator=annotator,
            email=email, max_uses=max_uses, created_by=by,
            expires_at=timezone.now() + timedelta(days=days),
        )  # fmt: skip
        record("invite", email or role, dataset=dataset, details=f"as {role}")
    return made, token


def find_invitation(token: str) -> Invitation:
    """The invitation of a link. Raises InvitationError if it cannot be accepted any more."""
    found = Invitation.objects.filter(token_sha256=_hash(token))
    invitation = found.select_related("dataset", "created_by").first()
    if invitation is None:
        raise InvitationError(
            _("There is no such invitation. Check that the link is complete.")
        )
    if not found.open(timezone.now()).exists():
        raise InvitationError(
            _("This invitation has expired, or was used or revoked. Ask for a new one.")
        )
    if not may_invite(invitation.created_by, invitation.dataset, invitation.role):
        raise InvitationError(
            _("%(created_by)s may not invite members any more. Ask for another link.")
            % {"created_by": invitation.created_by}
        )
    return invitation


@transaction.atomic
def accept(invitation: Invitation, *, user: User) -> tuple[Member, bool]:
    """Make `user` a member; returns the membership, and whether it is new.

    Whoever is a member already keeps their role, and the invitation is not used up. Raises
    InvitationError if others have used it up meanwhile.
    """
    if existing := Member.objects.filter(dataset=invitation.dataset, user=user).first():
        return existing, False
    mine = Invitation.objects.filter(pk=invitation.pk).open(timezone.now())
    if not mine.update(uses=F("uses") + 1):
        raise InvitationError(
            _("This invitation was used or revoked meanwhile. Ask for another.")
        )
    member = Member.objects.create(dataset=invitation.dataset, user=user, role=invitation.role)
    with acting(user):  # who may have no session yet
        record("join", user, dataset=invitation.dataset, details=f"as {invitation.role}")
    return member, True


def revoke(invitation: Invitation) -> None:
    """Let nobody accept the invitation any more; twice changes nothing."""
    still_open = Invitation.objects.filter(pk=invitation.pk, revoked_at=None)
    if still_open.update(revoked_at=timezone.now()):
        record("revoke invitation", invitation, dataset=invitation.dataset)


@transaction.atomic
def change_role(member: Member, role: str) -> None:
    """Give `member` another role. Raises MemberError for the last owner."""
    if role != Member.Role.OWNER:
        _keep_an_owner(member)
    if Member.objects.filter(pk=member.pk).exclude(role=role).update(role=role):
        record("change role", member.user, dataset=member.dataset, details=f"to {role}")
    member.role = role


@transaction.atomic
def remove(member: Member) -> None:
    """Remove `member` from the dataset. Raises MemberError for the last owner."""
    _keep_an_owner(member)
    member.delete()
    record("remove member", member.user, dataset=member.dataset)


@transaction.atomic
def transfer_ownership(dataset: Dataset, *, by: User, to: User) -> None:
    """Make the member `to` an owner who is charged for `dataset`, and `by` a manager.

    A superuser who is no member hands over without a role of their own; other owners stay. A
    second call changes nothing.

    Raises MemberError if `to` is no member, or if the dataset does not fit their quota.
    """
    Dataset.objects.select_for_update().get(pk=dataset.pk)
    dataset.refresh_from_db(fields=["charged_to"])
    members = Member.objects.filter(dataset=dataset)
    if not members.filter(user=to).exists():
        raise MemberError(
            _("%(to)s is no member of %(dataset)s. Invite them first.")
            % {"to": to, "dataset": dataset}
        )
    if dataset.charged_to_id != to.pk:
        try:
            check_takeover(dataset, to)
        except QuotaError as error:
            raise MemberError(
                _("%(to)s cannot take over %(dataset)s. %(error)s")
                % {"to": to, "dataset": dataset, "error": error}
            ) from error
    changed = members.filter(user=to).exclude(role=Member.Role.OWNER).update(
        role=Member.Role.OWNER
    )  # fmt: skip
    if by.pk != to.pk:
        changed += members.filter(user=by, role=Member.Role.OWNER).update(
            role=Member.Role.MANAGER
        )
    changed += Dataset.objects.filter(pk=dataset.pk).exclude(charged_to=to).update(
        charged_to=to
    )  # fmt: skip
    if changed:
        record("transfer ownership", to, dataset=dataset)


def _keep_an_owner(member: Member) -> None:
    """Raise MemberError unless another owner remains, also when two leave at once."""
    Dataset.objects.select_for_update().get(pk=member.dataset_id)
    owners = Member.objects.filter(dataset=member.dataset_id, role=Member.Role.OWNER)
    if owners.filter(pk=member.pk).exists() and not owners.exclude(pk=member.pk).exists():
        raise MemberError(
            _("%(user)s is the only owner. Make somebody else an owner first.")
            % {"user": member.user}
        )


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
