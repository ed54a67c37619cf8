"""Members of the CVAT organisation: list and invite them, add them as annotators."""

from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

from annotation.cvat.client import CvatMember
from annotation.cvat.errors import CvatBrokenError, CvatRefusedError
from annotation.models import Annotator, CvatServer, check_user_name
from annotation.services.cvat.deferral import client_for
from datasets.accounts.activity import record
from datasets.models import Dataset


class InviteError(ValueError):
    """CVAT did not accept the invitation."""


class OrganisationMember(NamedTuple):
    """A member of the organisation; `problem` says why they cannot be an annotator."""

    member: CvatMember
    is_annotator: bool
    problem: str


def organisation_members(server: CvatServer, dataset: Dataset) -> list[OrganisationMember]:
    """All members of the server's organisation, by name. Raises CvatError."""
    known = set(dataset.annotators.values_list("name", flat=True))
    return [
        OrganisationMember(member, member.name in known, _problem(member))
        for member in client_for(server).members()
    ]


def add_annotators(dataset: Dataset, names: list[str]) -> int:
    """Add `names` as annotators of `dataset`; return how many are new."""
    before = dataset.annotators.count()
    rows = [Annotator(dataset=dataset, name=name) for name in names]
    Annotator.objects.bulk_create(rows, ignore_conflicts=True)
    added = dataset.annotators.count() - before
    if added:
        record("add annotators", ", ".join(names), dataset=dataset)
    return added


def invite(server: CvatServer, email: str) -> CvatMember:
    """Invite somebody to the organisation. Raises InviteError with the way to fix it."""
    validate_email(email)
    if not server.organisation:
        raise InviteError(
            _(
                "Members can only be invited to an organisation: enter its short name on the "
                "server's page."
            )
        )
    try:
        return client_for(server).invite(email)
    except CvatRefusedError as error:
        raise InviteError(
            _("%(email)s was not invited: %(error)s") % {"email": email, "error": error}
        ) from error
    except CvatBrokenError as error:
        if "Email backend" in str(error):
            raise InviteError(
                _(
                    "CVAT has no e-mail backend, so %(email)s gets no invitation, and CVAT "
                    "has created an empty account for the address. Configure e-mail in "
                    "CVAT. Or delete that account, let them register, then invite them: "
                    "they join at once."
                )
                % {"email": email}
            ) from error
        raise


def _problem(member: CvatMember) -> str:
    if not member.is_active:
        return _("has not accepted the invitation yet")
    try:
        check_user_name(member.name)
    except ValidationError as error:
        return str(error.message)
    return ""
