"""Changes of members that concern several apps: whoever annotates is an annotator too."""

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from annotation.models import Annotator
from annotation.services.annotators import AnnotatorLinkError, link_annotator
from annotation.services.assign_tasks import unassign
from datasets.models import Invitation, Member
from datasets.services import members
from datasets.services.members import InvitationError


@transaction.atomic
def join(invitation: Invitation, *, user: User) -> tuple[Member, bool]:
    """Accept an invitation; an annotator is created or linked for the role annotator.

    Returns the membership, and whether it is new. Raises InvitationError, and leaves nothing
    half done.
    """
    member, is_new = members.accept(invitation, user=user)
    if is_new and member.role == Member.Role.ANNOTATOR:
        try:
            link_annotator(member.dataset, user, name=invitation.annotator)
        except AnnotatorLinkError as error:
            raise InvitationError(
                _("%(error)s Ask for a new invitation.") % {"error": error}
            ) from error
    return member, is_new


@transaction.atomic
def leave(member: Member) -> None:
    """Remove a member, and unassign their open tasks. Raises MemberError for the last owner."""
    dataset, user = member.dataset, member.user
    members.remove(member)
    for annotator in Annotator.objects.filter(dataset=dataset, user=user):
        unassign(annotator)


@transaction.atomic
def change_role(member: Member, role: str) -> None:
    """Give a member another role. Raises MemberError for the last owner."""
    members.change_role(member, role)
    if role == Member.Role.ANNOTATOR:
        link_annotator(member.dataset, member.user)
