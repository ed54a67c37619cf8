"""Deleting a video or a dataset with all that hangs on it, in every room, and its files.

What hangs on a row is asked of the models, so that this room need not know the others. Names of
files to remove are written in the transaction that deletes the rows: whoever is killed after it
leaves a list that the next worker works off.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.apps import apps
from django.core.files.storage import default_storage
from django.db import models, transaction
from django.db.models import Q

from datasets.models import Dataset, Leftover, Upload, Video
from datasets.stages import Stage, StagedModel

HOLD_ON = (models.CASCADE, models.PROTECT)
REMOVED_AT_ONCE = 500
CHANGED = "?changed-"


class InUseError(ValueError):
    """A worker has something in hand that would be deleted; the message names it."""


class Hanging(NamedTuple):
    """How many rows of one kind hang on what would be deleted."""

    name: str
    rows: int


def hanging_on(thing: Video | Dataset) -> list[Hanging]:
    """What would go with `thing`, without itself, and without kinds of which there is none."""
    found = []
    for model, rows in _by_model(thing).items():
        count = rows.count()
        if model is not type(thing) and count:
            meta = model._meta
            name = meta.verbose_name_plural if count > 1 else meta.verbose_name
            found.append(Hanging(str(name), count))
    return found[::-1]


def delete(thing: Video | Dataset) -> None:
    """Delete `thing` and all that hangs on it; the next worker removes the files.

    Raises InUseError if a worker is busy with a part of it.
    """
    with transaction.atomic():
        found = _by_model(thing)
        for model, rows in found.items():
            _check_idle(model, rows)
        names = {name for model, rows in found.items() for name in _file_names(model, rows)}
        Leftover.objects.bulk_create([Leftover(name=name) for name in sorted(names)])
        if isinstance(thing, Video) and thing.upload_id:
            # Its zip may come again and bring the video back.
            zips = Upload.objects.filter(pk=thing.upload_id)
            zips.update(sha256=f"{CHANGED}{thing.upload_id}")
        for rows in _with_dependents(type(thing)._default_manager.filter(pk=thing.pk)):
            rows.delete()


def remove_leftovers() -> int:
    """Remove stored files whose rows are gone; return how many. A file named anew stays."""
    leftovers = dict(Leftover.objects.values_list("pk", "name")[:REMOVED_AT_ONCE])
    if not leftovers:
        return 0
    named = _named_of(set(leftovers.values()))
    for pk, name in leftovers.items():
        if name not in named:
            default_storage.delete(name)
        Leftover.objects.filter(pk=pk).delete()
    return len(leftovers)


def _with_dependents(rows: Any) -> Iterator[Any]:
    """Every set of rows that hangs on `rows`, those that others hang on later."""
    for relation in rows.model._meta.related_objects:
        if relation.on_delete in HOLD_ON:
            manager = relation.related_model._base_manager
            yield from _with_dependents(manager.filter(**{f"{relation.field.name}__in": rows}))
    yield rows


def _by_model(thing: Video | Dataset) -> dict[type[models.Model], Any]:
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
