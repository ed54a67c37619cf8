"""Rows of a backup: every table as lines of JSON, out of one database and into another kind.

Values are those of the models' fields, so that SQLite and PostgreSQL write and read the same.
Django's own serialisers cut times to milliseconds and follow natural keys row by row.
"""

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import groupby, islice
from typing import Any
from uuid import UUID, uuid4

from django.apps import apps as current_apps
from django.apps.registry import Apps
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, connections, models, transaction
from django.db.models import Max, Value

from workers.backup.places import BackupError, BackupPlace
from workers.backup.snapshots import TableDump

KEYS = 5000  # of a table, in one part: a changed row changes one part
ROWS = 500  # inserted at once
# Sessions are not restored: whoever has a backup is logged in nowhere. The bytes of unfinished
# uploads are not backed up.
LEFT_OUT = ("sessions.Session", "datasets.Transfer", "workers.PlanFault")


def tables(apps: Apps = current_apps) -> list[type[models.Model]]:
    """The models with a table of their own whose rows are backed up."""
    return [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy and model._meta.label not in LEFT_OUT
    ]


@contextmanager
def frozen_database() -> Iterator[str]:
    """The alias of a connection on which the database does not change; others may write."""
    alias = f"backup-{uuid4().hex[:8]}"
    own = connection.copy(alias)
    own.settings_dict["OPTIONS"].pop("transaction_mode", None)  # a reader takes no lock
    connections[alias] = own
    try:
        with transaction.atomic(using=alias), own.cursor() as cursor:
            if own.vendor == "postgresql":
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            ContentType.objects.using(alias).count()  # the moment of the view
            yield alias
    finally:
        own.close()
        del connections[alias]


def dump_table(
    model: type[models.Model],
    alias: str,
    place: BackupPlace,
    known: dict[str, int],
    *,
    names: set[str],
    on_rows: Callable[[int], object],
) -> TableDump:
    """Write all rows of `model` to `place`.

    Args:
        alias: The connection to read from.
        known: The objects that are there.
        names: Gets the names in file fields.
        on_rows: Called with the number of rows after each part.
    """
    fields = concrete_fields(model)
    files = [at for at, field in enumerate(fields) if isinstance(field, models.FileField)]
    key = model._meta.pk
    is_numbered = isinstance(key, models.AutoField)
    rows = model._base_manager.using(alias).order_by("pk")
    values = rows.values_list("pk", *(field.attname for field in fields)).iterator(ROWS)
    numbered = enumerate(values)
    groups = groupby(numbered, lambda each: (each[1][0] if is_numbered else each[0]) // KEYS)
    parts, count = [], 0
    for _, group in groups:
        part = [row for _, (_, *row) in group]
        names |= {str(row[at]) for row in part for at in files if row[at]}
        parts.append(place.add_json((list(map(_plain, row)) for row in part), known))
        count += len(part)
        on_rows(len(part))
    last = _last_key(model, alias) if is_numbered else None
    return TableDump([field.attname for field in fields], count, last, parts)


def concrete_fields(model: type[models.Model]) -> list[Any]:
    """The fields whose values are stored, and not computed by the database."""
    return [field for field in model._meta.concrete_fields if not field.generated]


def load_table(
    model: type[models.Model],
    table: TableDump,
    place: BackupPlace,
    *,
    on_rows: Callable[[int], object],
) -> None:
    """Insert all rows of a table, which must be empty, with their keys and times.

    Raises BackupError if a row does not fit, with its key, or if rows are missing.
    """
    fields = {field.attname: field for field in concrete_fields(model)}
    if unknown := set(table.fields) - set(fields):
        raise BackupError(
            f"{model._meta.label} has no {', '.join(sorted(unknown))}: the backup was made by "
            "a version with other migrations of the same name."
        )
    columns = [fields[name] for name in table.fields]
    for field in columns:
        if isinstance(field, models.DateField):
            field.auto_now = field.auto_now_add = False  # of a model out of migrations alone
    count = 0
    for part in table.parts:
        lines = place.read_json(part)
        while some := list(islice(lines, ROWS)):
            _insert(model, [_row(model, columns, values) for values in some])
            count += len(some)
            on_rows(len(some))
    if count != table.rows:
        raise BackupError(f"{model._meta.label} has {count} rows, not {table.rows}.")
    if table.last_key is not None:
        _set_last_key(model, table.last_key)


def _row(model: type[models.Model], columns: list[Any], values: list[Any]) -> models.Model:
    pairs = zip(columns, values, strict=True)
    try:
        return model(**{field.attname: _typed(field, value) for field, value in pairs})
    except (ValidationError, ValueError) as error:
        raise BackupError(f"A row of {model._meta.label} can't be read: {error}") from error


def _insert(model: type[models.Model], rows: list[models.Model]) -> None:
    """Insert rows; a row that does not fit is named."""
    try:
        with transaction.atomic():
            model._base_manager.bulk_create(rows)
    except DatabaseError:
        for row in rows:
            try:
                with transaction.atomic():
                    model._base_manager.bulk_create([row])
            except DatabaseError as error:
                reason = str(error).strip().partition("\n")[0]
                raise BackupError(
                    f"{model._meta.label} {row.pk} does not fit into {connection.vendor}: "
                    f"{reason}. Correct it where the backup was made, then make a new one."
                ) from error


def _plain(value: Any) -> Any:
    """A value of a field as JSON can hold it."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, UUID | Decimal):
        return str(value)
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(bytes(value)).decode()
    return value


def _typed(field: Any, value: Any) -> Any:
    """A value of `_plain` as its field takes it."""
    if isinstance(field, models.JSONField):
        is_null = value is None and not field.null
        return Value(None, models.JSONField()) if is_null else value
    if field.is_relation:
        field = field.target_field
    if isinstance(field, models.BinaryField):
        return None if value is None else base64.b64decode(value)
    return field.to_python(value)


def _last_key(model: type[models.Model], alias: str) -> int:
    """The last key that the database gave, whose row may be gone; 0 if none."""
    own, meta = connections[alias], model._meta
    highest = model._base_manager.using(alias).aggregate(last=Max("pk"))["last"] or 0
    with own.cursor() as cursor:
        if own.vendor == "sqlite":
            cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [meta.db_table])
            found = cursor.fetchone()
            return max(highest, int(found[0]) if found else 0)
        cursor.execute(
            "SELECT pg_get_serial_sequence(%s, %s)",
            [own.ops.quote_name(meta.db_table), meta.pk.column],
        )
        [sequence] = cursor.fetchone()
        if not sequence:
            return int(highest)
        cursor.execute(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}")  # noqa: S608  a name of the database
        return max(highest, int(cursor.fetchone()[0]))


def _set_last_key(model: type[models.Model], last: int) -> None:
    """Let the database give keys after `last`: a key is never given twice."""
    table, column = model._meta.db_table, model._meta.pk.column
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
            cursor.execute(
                "INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, last]
            )
            return
        cursor.execute(
            "SELECT setval(pg_get_serial_sequence(%s, %s), %s, %s)",
            [connection.ops.quote_name(table), column, max(last, 1), last > 0],
        )
