"""Quotas: who may create datasets, how many, and with how many bytes of videos.

An account is charged for the datasets that it created or took over. What counts are the bytes
of raw videos, of zips that are not unpacked yet, of uploads that have begun, and of files whose
labels were imported; a zip that is being unpacked counts for what it holds, if that is more.
Checks lock the row of the account, so
that uploads at the same time cannot both take what is left for one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction
from django.db.models import F, QuerySet, Sum
from django.db.models.functions import Greatest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from avaproject.base.work import Stage
from datasets.core.sizes import size_text
from datasets.core.zip_reader import ArchiveError
from datasets.models import Dataset, Transfer, Upload, Video

CREATE = "datasets.add_dataset"  # Django's permission, given on the page of an account or group


class QuotaError(ValueError):
    """Something that a quota does not allow; the message says which and what to do."""


class StorageQuotaError(QuotaError, ArchiveError):
    """Bytes that do not fit the quota; refused wherever a zip would be."""


class Usage(NamedTuple):
    """What an account is charged for; a limit of 0 means none."""

    datasets: int
    max_datasets: int
    used_bytes: int
    max_bytes: int


def may_create(user: User | AnonymousUser) -> bool:
    """Whether `user` may create datasets at all, whatever their quota."""
    if not user.is_authenticated:
        return False
    if settings.DATASET_CREATORS == "accounts" or user.is_staff:
        return True
    return user.has_perm(CREATE)


def usage(user: User) -> Usage:
    """What `user` is charged for now."""
    return Usage(
        Dataset.objects.filter(charged_to=user).count(), settings.QUOTA_DATASETS,
        _used_bytes(user.pk), settings.QUOTA_BYTES,
    )  # fmt: skip


@contextmanager
def charging_dataset(user: User | None) -> Iterator[None]:
    """A transaction in which `user` may create one more dataset. Raises QuotaError."""
    with transaction.atomic():
        if user is not None and settings.QUOTA_DATASETS:
            _lock(user.pk)
            count = Dataset.objects.filter(charged_to=user).count()
            if count >= settings.QUOTA_DATASETS:
                sentence = ngettext(
                    "You have %(count)s dataset, and an account may have %(most)s "
                    "(AVA_QUOTA_DATASETS). Delete one, or hand one over to somebody else.",
                    "You have %(count)s datasets, and an account may have %(most)s "
                    "(AVA_QUOTA_DATASETS). Delete one, or hand one over to somebody else.",
                    count,
                )
                raise QuotaError(sentence % {"count": count, "most": settings.QUOTA_DATASETS})
        yield


@contextmanager
def charging_bytes(dataset: Dataset, size: int) -> Iterator[None]:
    """A transaction in which `dataset` may take `size` more bytes; its account is charged.

    Raises StorageQuotaError if the account would have more than its quota.
    """
    with transaction.atomic():
        check_bytes(dataset.charged_to_id, size)
        yield


def charge_unpacking(upload: Upload, size: int) -> None:
    """Charge for the `size` bytes of videos in a zip, which are about to be stored.

    They count from here on, instead of the zip and of those that an earlier try has stored.
    May be called again. Raises StorageQuotaError, and charges nothing, if they do not fit.
    """
    rows = upload.claimed_rows()
    user_id = upload.dataset.charged_to_id
    with transaction.atomic():
        if user_id is not None:
            _lock(user_id)
        rows.update(unpacked_size=0)
        stored = _total(Video.objects.filter(upload=upload))
        check_bytes(user_id, size - upload.size - stored)
        rows.update(unpacked_size=size)


def check_bytes(user_id: int | None, more: int) -> None:
    """Lock the account and raise StorageQuotaError if `more` bytes do not fit its quota.

    Must be called in the transaction that adds them.
    """
    if user_id is None or not settings.QUOTA_BYTES or more <= 0:
        return
    _lock(user_id)
    left = settings.QUOTA_BYTES - _used_bytes(user_id)
    if more > left:
        raise StorageQuotaError(
            _(
                "It needs %(more)s, and %(left)s are left of the quota of "
                "%(quota)s (AVA_QUOTA_BYTES). Delete videos, or ask an operator for "
                "more."
            )
            % {
                "more": size_text(more),
                "left": size_text(max(left, 0)),
                "quota": size_text(settings.QUOTA_BYTES),
            }
        )


def check_takeover(dataset: Dataset, user: User) -> None:
    """Raise QuotaError if `user` cannot be charged for `dataset` as it is.

    Must be called in the transaction that hands it over.
    """
    _lock(user.pk)
    owned = Dataset.objects.filter(charged_to=user).count()
    if settings.QUOTA_DATASETS and owned >= settings.QUOTA_DATASETS:
        raise QuotaError(
            _("%(user)s has %(owned)s of %(most)s datasets already (AVA_QUOTA_DATASETS).")
            % {"user": user, "owned": owned, "most": settings.QUOTA_DATASETS}
        )
    check_bytes(user.pk, bytes_of(Dataset.objects.filter(pk=dataset.pk)))


def bytes_of(datasets: QuerySet[Dataset]) -> int:
    """The bytes that a set of datasets counts for."""
    zips = Upload.objects.filter(dataset__in=datasets).exclude(file="")
    unpacking = zips.exclude(stage=Stage.FAILED).filter(unpacked_size__gt=0)
    return (
        _total(Video.objects.filter(dataset__in=datasets))
        + _total(zips)
        + _total(unpacking, Greatest(F("unpacked_size") - F("size"), 0))
        - _total(Video.objects.filter(upload__in=unpacking))
        + _total(Transfer.objects.filter(dataset__in=datasets, upload=None))
        + _total(Dataset.objects.filter(pk__in=datasets), "label_imports__size")
    )


def _used_bytes(user_id: int) -> int:
    return bytes_of(Dataset.objects.filter(charged_to=user_id))


def _total(rows: QuerySet[Any], of: Any = "size") -> int:
    return int(rows.order_by().aggregate(bytes=Sum(of))["bytes"] or 0)


def _lock(user_id: int) -> None:
    """Wait for others who change what the account is charged for; SQLite has one writer."""
    User.objects.select_for_update().get(pk=user_id)
