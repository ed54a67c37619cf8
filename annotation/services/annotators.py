"""Annotators and accounts: which account labels the tasks of which annotator."""

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from annotation.models import Annotator
from datasets.core.roles import Act, roles_with
from datasets.models import Dataset, Member


class AnnotatorLinkError(ValueError):
    """An annotator that cannot be linked to an account."""


@transaction.atomic
def link_annotator(dataset: Dataset, user: User, *, name: str = "") -> Annotator:
    """The annotator of `user` in `dataset`: the one linked already, `name`, or a new one.

    A new annotator is called like the account; if another has this name, with a number. Nobody
    gets the tasks of another by the choice of a user name.

    Args:
        dataset: The dataset.
        user: The account.
        name: An annotator that exists without an account, chosen by whoever invited.

    Raises:
        AnnotatorLinkError: if there is no such annotator without an account.
    """
    if linked := Annotator.objects.filter(dataset=dataset, user=user).first():
        return linked
    if name:
        if not Annotator.objects.filter(dataset=dataset, name=name, user=None).update(
            user=user
        ):
            raise AnnotatorLinkError(
                _("%(dataset)s has no annotator %(name)s without an account.")
                % {"dataset": dataset, "name": name}
            )
        return Annotator.objects.get(dataset=dataset, user=user)
    taken = set(Annotator.objects.filter(dataset=dataset).values_list("name", flat=True))
    own, number = user.get_username(), 2
    while own in taken:
        own, number = f"{user.get_username()}-{number}", number + 1
    return Annotator.objects.create(
        dataset=dataset, user=user, name=own, tool=Annotator.Tool.LABEL_PAGE
    )


def link_namesakes(dataset: Dataset) -> None:
    """Link annotators without an account to the members of the same name.

    Only to members who see all answers anyway; others are linked by an invitation.
    """
    without = Annotator.objects.filter(dataset=dataset, user=None)
    users = Member.objects.filter(
        dataset=dataset,
        role__in=roles_with(Act.LABEL, Act.SEE_NAMES),
        user__username__in=without.values("name"),
    ).exclude(
        user__in=Annotator.objects.filter(dataset=dataset).exclude(user=None).values("user")
    )
    for user, name in users.values_list("user", "user__username"):
        without.filter(name=name).update(user=user)
