"""Which stored files rows refer to, found through the models of all apps."""

from collections.abc import Collection

from django.apps import apps
from django.db import models


def file_fields(model: type[models.Model]) -> list[str]:
    """The names of the file fields of `model`."""
    return [f.name for f in model._meta.get_fields() if isinstance(f, models.FileField)]


def still_referenced(names: Collection[str]) -> set[str]:
    """Those of `names` that a file field of a row refers to."""
    return {
        name
        for model in apps.get_models()
        for field in file_fields(model)
        for name in model._base_manager.filter(**{f"{field}__in": names}).values_list(
            field, flat=True
        )
    }
