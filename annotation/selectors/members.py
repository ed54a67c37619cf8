"""Members of a dataset with the annotators that they are."""

from typing import NamedTuple

from annotation.models import Annotator
from datasets.models import Dataset, Member


class MemberRow(NamedTuple):
    """One member, and the annotator whose tasks the account labels."""

    member: Member
    annotator: str  # empty: none


def member_rows(dataset: Dataset) -> list[MemberRow]:
    """The members of `dataset` by role and name; two queries."""
    linked = Annotator.objects.filter(dataset=dataset).exclude(user=None)
    names = dict(linked.values_list("user", "name"))
    roles = list(Member.Role.values)
    found = dataset.members.select_related("user")
    ordered = sorted(found, key=lambda one: (roles.index(one.role), one.user.username))
    return [MemberRow(one, names.get(one.user_id, "")) for one in ordered]
