"""Fast inserts of many rows, with the defaults of their models; their keys are consecutive."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.core.management.color import no_style
from django.db import connection
from django.db.models import Field, JSONField, Max, Model
from django.utils import timezone


def insert(model: type[Model], rows: Iterable[dict[str, Any]], **same: Any) -> list[int]:
    """Insert `rows` and return their keys.

    Args:
        model: Of the rows.
        rows: Values by column (`clip_id`); what is not there has the default of its field.
        same: Values of all rows.
    """
    now = timezone.now()
    first = 1 + (model._default_manager.aggregate(last=Max("pk"))["last"] or 0)
    rows = [{"id": key} | row for key, row in enumerate(rows, first)]
    if not rows:
        return []
    fields = [
        field for field in model._meta.concrete_fields
        if not field.has_db_default() or field.attname in same or field.attname in rows[0]
    ]  # fmt: skip
    usual = {field.attname: _usual(field, same, now) for field in fields}
    prepared = {field.attname: field for field in fields if isinstance(field, JSONField)}
    names = [field.attname for field in fields]

    def values() -> Iterator[list[Any]]:
        for row in rows:
            for name in prepared.keys() & row.keys():
                row[name] = prepared[name].get_db_prep_save(row[name], connection)
            found = usual | row
            yield [found[name] for name in names]

    quote = connection.ops.quote_name
    table, columns = quote(model._meta.db_table), ", ".join(map(quote, names))
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            from psycopg2.extras import execute_values  # type: ignore[import-untyped]

            statement = f"INSERT INTO {table} ({columns}) VALUES %s"  # noqa: S608  of models
            execute_values(cursor.cursor, statement, values(), page_size=1000)
            for reset in connection.ops.sequence_reset_sql(no_style(), [model]):
                cursor.execute(reset)
        else:
            marks = ", ".join("?" * len(names))
            statement = f"INSERT INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608
            cursor.connection.executemany(statement, values())
    return [row["id"] for row in rows]


def _usual(field: "Field[Any, Any]", same: dict[str, Any], now: Any) -> Any:
    value = same[field.attname] if field.attname in same else field.get_default()
    if field.attname not in same and getattr(field, "auto_now_add", False):
        value = now
    return field.get_db_prep_save(value, connection)
