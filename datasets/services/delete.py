"""Deleting a video, a dataset or another row with all that hangs on it, and its files.

What hangs on a row is asked of the models, so that this room need not know the others. Names of
files to remove are written in the transaction that deletes the rows: whoever is killed after it
leaves a list that the next worker works off.
"""

import logging
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.apps import apps
from django.db import models, transaction
from django.db.models import Q

from avaproject.base.storage import StorageError, remove
from avaproject.base.work import Stage, StagedModel
from datasets.models import Dataset, Leftover, Upload, Video
from datasets.services import transfer

logger = logging.getLogger(__name__)
HOLD_ON = (models.CASCADE, models.PROTECT)
REMOVED_AT_ONCE = 500
CHANGED = "?changed-"


class InUseError(ValueError):
    """A worker has something in hand that would be deleted; the message names it."""


class Hanging(NamedTuple):
    """How many rows of one kind hang on what would be deleted."""

    name: str
    rows: int


def hanging_on(thing: models.Model) -> list[Hanging]:
    """What would go with `thing`, without itself, and without kinds of which there is none."""
    found = []
    for model, rows in _by_model(thing).items():
        count = rows.count()
        if model is not type(thing) and count:
            meta = model._meta
            name = meta.verbose_name_plural if count > 1 else meta.verbose_name
            found.append(Hanging(str(name), count))
    return found[::-1]


def check_idle(thing: models.Model) -> None:
    """Raises InUseError if a worker is busy with a part of `thing`."""
    for model, rows in _by_model(thing).items():
        _check_idle(model, rows)


def delete(thing: models.Model) -> None:
    """Delete `thing` and all that hangs on it; the next worker removes the files.

    Raises InUseError if a worker is busy with a part of it.
    """
    if isinstance(thing, Dataset):
        check_idle(thing)
        for begun in thing.transfers.filter(upload=None):
            transfer.drop(begun)
    with transaction.atomic():
        check_idle(thing)
        found = _by_model(thing)
        names = {name for model, rows in found.items() for name in _file_names(model, rows)}
        if isinstance(thing, Dataset):
            names.add(f"{thing.name}/")
        Leftover.objects.bulk_create([Leftover(name=name) for name in sorted(names)])
        if isinstance(thing, Video) and thing.upload_id:
            # Its zip may come again and bring the video back.
            zips = Upload.objects.filter(pk=thing.upload_id)
            zips.update(sha256=f"{CHANGED}{thing.upload_id}")
        for rows in _with_dependents(type(thing)._default_manager.filter(pk=thing.pk)):
            rows.delete()


def remove_leftovers() -> int:
    """Remove stored files whose rows are gone; return how many. A file named anew stays.

    What the storage does not remove now is left for the next time.
    """
    oldest = Leftover.objects.order_by("pk")[:REMOVED_AT_ONCE]
    leftovers = dict(oldest.values_list("pk", "name"))
    if not leftovers:
        return 0
    named = _named_of(set(leftovers.values()))
    count = 0
    for pk, name in leftovers.items():
        try:
            if name not in named:
                remove(name)
        except OSError as error:
            logger.warning("%s is left to be removed: %s", name, error)
            if isinstance(error, StorageError):
                break  # each of the others would wait as long in vain
            continue
        count += Leftover.objects.filter(pk=pk).delete()[0]
    return count


def _with_dependents(rows: Any) -> Iterator[Any]:
    """Every set of rows that hangs on `rows`, those that others hang on later."""
    for relation in rows.model._meta.related_objects:
        if relation.on_delete in HOLD_ON:
            manager = relation.related_model._base_manager
            yield from _with_dependents(manager.filter(**{f"{relation.field.name}__in": rows}))
    yield rows


def _by_model(thing: models.Model) -> dict[type[models.Model], Any]:
    """All rows that would go, a row once."""
    conditions: dict[type[models.Model], Q] = {}
    for rows in _with_dependents(type(thing)._default_manager.filter(pk=thing.pk)):
        conditions.setdefault(rows.model, Q())
        conditions[rows.model] |= Q(pk__in=rows.values("pk"))
    return {model: model._base_manager.filter(which) for model, which in conditions.items()}


def _check_idle(model: type[models.Model], rows: Any) -> None:
    if not issubclass(model, StagedModel):
        return
    busy = rows.filter(stage=Stage.RUNNING).first()
    if busy is not None:
        raise InUseError(
            f"A worker is busy with the {model._meta.verbose_name} {busy}; "
            "wait until it is done, then delete."
        )


def _file_names(model: type[models.Model], rows: Any) -> Iterator[str]:
    for field in _file_fields(model):
        yield from rows.exclude(**{field: ""}).values_list(field, flat=True)
    if hasattr(model, "other_files"):
        for row in rows.iterator():
            yield from row.other_files()


def _file_fields(model: type[models.Model]) -> list[str]:
    return [f.name for f in model._meta.get_fields() if isinstance(f, models.FileField)]


def _named_of(names: set[str]) -> set[str]:
    """Those of `names` that a row still names."""
    return {
        name
        for model in apps.get_models()
        for field in _file_fields(model)
        for name in model._base_manager.filter(**{f"{field}__in": names}).values_list(
            field, flat=True
        )
    }
