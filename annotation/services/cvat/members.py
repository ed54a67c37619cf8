"""The people of an organisation in CVAT, as annotators of a dataset."""

from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from annotation.cvat.client import Member
from annotation.cvat.errors import CvatBrokenError, CvatRefusedError
from annotation.models import Annotator, CvatServer, check_user_name
from annotation.services.cvat.deferral import client_for
from datasets.models import Dataset


class InviteError(ValueError):
    """The invitation did not work."""


class Person(NamedTuple):
    """A member as the page shows him or her; `hindrance` says why not to be chosen."""

    member: Member
    is_annotator: bool
    hindrance: str


def people(server: CvatServer, dataset: Dataset) -> list[Person]:
    """Everybody in the server's organisation, by name. Raises CvatError."""
    known = set(dataset.annotators.values_list("name", flat=True))
    return [
        Person(member, member.name in known, _hindrance(member))
        for member in client_for(server).members()
    ]


def add_annotators(dataset: Dataset, names: list[str]) -> int:
    """Make `names` annotators of `dataset`; return how many are new."""
    before = dataset.annotators.count()
    people = [Annotator(dataset=dataset, name=name) for name in names]
    Annotator.objects.bulk_create(people, ignore_conflicts=True)
    return dataset.annotators.count() - before


def invite(server: CvatServer, email: str) -> Member:
    """Invite somebody into the organisation. Raises InviteError with the way out."""
    validate_email(email)
    if not server.organisation:
        raise InviteError(
            "Without an organisation nobody can be invited: enter its short name on the page "
            "of the server."
        )
    try:
        return client_for(server).invite(email)
    except CvatRefusedError as error:
        raise InviteError(f"{email} was not invited: {error}") from error
    except CvatBrokenError as error:
        if "Email backend" in str(error):
            raise InviteError(
                f"CVAT cannot send mail, so {email} hears nothing, and it has made an empty "
                "account for the address. Set up mail in CVAT; or delete that account there, "
                "let them register, and invite them then: they are in at once."
            ) from error
        raise


def _hindrance(member: Member) -> str:
    if not member.is_active:
        return "has not accepted the invitation yet"
    try:
        check_user_name(member.name)
    except ValidationError as error:
        return str(error.message)
    return ""
