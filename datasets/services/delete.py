"""Deletion of a video, a dataset or another row with its dependents and files.

Dependents are found through the models, so this app need not know the others. The names of the
files are recorded in the transaction that deletes the rows; workers remove the files later.
"""

import logging
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.db import models, transaction
from django.db.models import Q
from django.utils.translation import gettext

from avaproject.base.storage import StorageError, remove
from avaproject.base.stored_files import file_fields, still_referenced
from avaproject.base.work import Stage, StagedModel
from datasets.accounts.activity import record
from datasets.models import Dataset, PendingDeletion, Upload, Video
from datasets.services import resumable_upload

logger = logging.getLogger(__name__)
CASCADING = (models.CASCADE, models.PROTECT)
DELETE_BATCH = 500
COUNTED = 10_000  # rows of a model: more are not counted before they are deleted
RELEASED_HASH = "?changed-"


class InUseError(ValueError):
    """A worker is busy with a row that would be deleted; the message names it."""


class DependentCount(NamedTuple):
    """How many dependent rows of one model would be deleted, in the words of the pages."""

    name: str
    rows: int  # COUNTED + 1 if there are more than COUNTED


def dependents(thing: models.Model) -> list[DependentCount]:
    """How many rows of each other model would be deleted with `thing`; COUNTED at most.

    Only of models that name what they are to users (`COUNTED_AS`): what is computed from them
    goes with them.
    """
    found = []
    for model, path in shortest_paths(type(thing)).items():
        rows = model._base_manager.filter(**{path: thing.pk}).order_by()
        name = getattr(model, "COUNTED_AS", "")
        if name and (count := rows[: COUNTED + 1].count()):
            found.append(DependentCount(str(name), count))
    return found


def shortest_paths(root: type[models.Model]) -> dict[type[models.Model], str]:
    """The shortest look-up that leads from each dependent model to `root`, nearest first.

    Rows of one thing are found by any of their paths; one that may be empty is the last choice.
    """
    found: dict[type[models.Model], str] = {}
    for may_be_empty in (False, True):
        models_left = [root, *found]
        for parent in models_left:
            for relation in parent._meta.related_objects:
                model, field = relation.related_model, relation.field
                is_new = model not in found and model is not root
                if is_new and relation.on_delete in CASCADING and field.null <= may_be_empty:
                    above = found.get(parent)
                    found[model] = f"{field.name}__{above}" if above else field.name
                    models_left.append(model)
    return found


def check_idle(thing: models.Model) -> None:
    """Raises InUseError if a worker is busy with a part of `thing`."""
    for model, rows in rows_of(thing).items():
        _check_idle(model, rows)


def delete(thing: models.Model) -> None:
    """Delete `thing` and its dependents; the next worker removes the files.

    Raises InUseError if a worker is busy with a part of it.
    """
    if isinstance(thing, Dataset):
        check_idle(thing)
        for unfinished in thing.transfers.filter(upload=None):
            resumable_upload.discard(unfinished)
    with transaction.atomic():
        found = rows_of(thing)
        for model, rows in found.items():
            if issubclass(model, StagedModel):  # nobody can claim them from here on
                list(rows.select_for_update().order_by("pk").values_list("pk"))
        check_idle(thing)
        names = {name for model, rows in found.items() for name in _file_names(model, rows)}
        if isinstance(thing, Dataset):
            names.add(f"{thing.name}/")
        PendingDeletion.objects.bulk_create(
            [PendingDeletion(name=name) for name in sorted(names)]
        )
        if isinstance(thing, Video) and thing.upload_id:
            # Its zip may be uploaded again to restore the video.
            zips = Upload.objects.filter(pk=thing.upload_id)
            zips.update(sha256=f"{RELEASED_HASH}{thing.upload_id}")
        for rows in _with_dependents(type(thing)._default_manager.filter(pk=thing.pk)):
            _clear_self_references(rows)
            rows.delete()
        dataset = thing if isinstance(thing, Dataset) else getattr(thing, "dataset", None)
        record(f"delete {thing._meta.verbose_name}", thing, dataset=dataset)


def delete_pending_files() -> int:
    """Remove stored files whose rows were deleted; return how many.

    A file that a row refers to again stays. Files that can't be removed now are retried.
    """
    oldest = PendingDeletion.objects.order_by("pk")[:DELETE_BATCH]
    pending = dict(oldest.values_list("pk", "name"))
    if not pending:
        return 0
    referenced = still_referenced(set(pending.values()))
    count = 0
    for pk, name in pending.items():
        try:
            if name not in referenced:
                remove(name)
        except OSError as error:
            logger.warning("%s could not be removed yet: %s", name, error)
            if isinstance(error, StorageError):
                break  # the others would only wait for the same timeout
            continue
        count += PendingDeletion.objects.filter(pk=pk).delete()[0]
    return count


def _with_dependents(rows: Any) -> Iterator[Any]:
    """Every set of dependent rows of `rows`, dependents first.

    Relations of a model to itself are between rows of one parent, which has them all.
    """
    for relation in rows.model._meta.related_objects:
        if relation.on_delete in CASCADING and relation.related_model is not rows.model:
            manager = relation.related_model._base_manager
            yield from _with_dependents(manager.filter(**{f"{relation.field.name}__in": rows}))
    yield rows


def _clear_self_references(rows: Any) -> None:
    """Let rows that refer to each other be deleted in any order."""
    for field in rows.model._meta.concrete_fields:
        if field.related_model is rows.model and field.null:
            rows.exclude(**{field.name: None}).update(**{field.name: None})


def rows_of(thing: models.Model) -> dict[type[models.Model], Any]:
    """All rows that would be deleted with `thing`, each once, by model."""
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
            gettext(
                "A worker is busy with the %(kind)s %(busy)s; wait until it is done, then "
                "delete."
            )
            % {"kind": model._meta.verbose_name, "busy": busy}
        )


def _file_names(model: type[models.Model], rows: Any) -> Iterator[str]:
    for field in file_fields(model):
        yield from rows.exclude(**{field: ""}).values_list(field, flat=True)
    if hasattr(model, "other_files"):
        for row in rows.select_related().iterator():
            yield from row.other_files()
