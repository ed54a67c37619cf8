"""Snapshots: the list of what belongs to one backup, named by its time and its own sum."""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

from workers.backup.places import BackupError, BackupPlace, pack, unpack

FORMAT = 1
LINES = 10_000  # of a list of files, in one object


class BackupEntry(NamedTuple):
    """One stored file of a backup, as in the lists of files."""

    name: str  # below `media/` or `weights/`
    sha256: str
    size: int  # bytes
    stamp: str  # changes with the file, and tells files that are one by hard links


@dataclass(frozen=True)
class TableDump:
    """The rows of one model, in parts."""

    fields: list[str]  # names of columns, in the order of values
    rows: int
    last_key: int | None  # the last that was given, also to rows that are deleted
    parts: list[str]  # SHA-256 of objects


@dataclass(frozen=True)
class Snapshot:
    """What belongs to one backup."""

    made_at: str  # ISO 8601, UTC
    version: str  # of AVA Studio
    database: str  # sqlite or postgresql
    storage: str  # folder or bucket
    migrations: list[list[str]]  # [app, name] of the last of each app
    tables: dict[str, TableDump]  # by label of the model, such as `datasets.Video`
    file_count: int
    file_bytes: int
    file_lists: list[str]  # SHA-256 of objects with BackupEntry
    format: int = FORMAT
    name: str = field(default="", compare=False)  # in the place

    def objects(self) -> Iterator[str]:
        """SHA-256 of the objects of rows and lists, not of those in the lists."""
        for table in self.tables.values():
            yield from table.parts
        yield from self.file_lists

    def files(self, place: BackupPlace) -> Iterator[BackupEntry]:
        """The stored files, sorted by name."""
        for found in self.file_lists:
            for line in place.read_json(found):
                yield BackupEntry(*line)

    @classmethod
    def load(cls, place: BackupPlace, name: str) -> Self:
        """Read a snapshot. Raises BackupError if it is not there, damaged, or too new."""
        try:
            with place.open(f"snapshots/{name}.gz") as file:
                content = file.read()
        except FileNotFoundError as error:
            there = ", ".join(snapshot_names(place)) or "none"
            raise BackupError(
                f"There is no backup {name} in {place.address}: {there}."
            ) from error
        if hashlib.sha256(content).hexdigest()[:16] != name.rpartition("-")[2]:
            raise BackupError(f"The list of backup {name} is damaged; choose an earlier one.")
        [values] = unpack(content)
        if values["format"] != FORMAT:
            raise BackupError(
                f"Backup {name} was made by AVA Studio {values['version']}, in a form that "
                "this version can't read. Install that version or a newer one."
            )
        tables = {label: TableDump(**table) for label, table in values.pop("tables").items()}
        return cls(**values | {"tables": tables, "name": name})

    def save(self, place: BackupPlace) -> str:
        """Write the snapshot; return its name."""
        values: dict[str, Any] = asdict(self)
        del values["name"]
        content = pack(iter([values]))
        moment = datetime.fromisoformat(self.made_at).astimezone(UTC)
        name = f"{moment:%Y%m%dT%H%M%S%f}Z-{hashlib.sha256(content).hexdigest()[:16]}"
        place.put(f"snapshots/{name}.gz", io.BytesIO(content))
        return name


def snapshot_names(place: BackupPlace) -> list[str]:
    """Names of the finished backups of a place, oldest first."""
    names = (file.name for file in place.files("snapshots"))
    return sorted(name.removeprefix("snapshots/").removesuffix(".gz") for name in names)


def newest(place: BackupPlace, name: str = "") -> Snapshot:
    """The backup `name`, or the newest. Raises BackupError if there is none."""
    names = [name] if name else snapshot_names(place)[-1:]
    if not names:
        raise BackupError(f"There is no finished backup in {place.address}.")
    return Snapshot.load(place, names[0])


def save_list(
    place: BackupPlace, entries: list[BackupEntry], known: dict[str, int]
) -> list[str]:
    """Write the list of files in objects; return their SHA-256."""
    return [
        place.add_json(iter(entries[start : start + LINES]), known)
        for start in range(0, len(entries), LINES)
    ]
