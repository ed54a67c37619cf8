"""`import_labels`: import annotations that were made with another tool, or undo an import."""

import json
import shutil
import zipfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.importers.registry import IMPORTERS
from annotation.importers.source_files import ENDINGS
from annotation.models import AnswerVersion, LabelImport
from annotation.services.answers import read_answers
from annotation.services.label_imports import (
    LabelImportError,
    begin_import,
    confirm_import,
    run_import,
    undo_import,
)
from avaproject.base.temporary import work_folder
from avaproject.base.work import Stage
from datasets.models import Dataset

SHOWN = 20


class Command(BaseCommand):
    help = (
        "Import annotations of other tools: a file, a zip or a folder. Without --confirm it "
        "only prints a preview, and what labels would mean."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, metavar="FILE", nargs="?")
        parser.add_argument("--dataset", required=True, metavar="NAME")
        parser.add_argument("--source", metavar="NAME", help="whose answers they are")
        parser.add_argument("--format", default="", choices=["", *IMPORTERS], metavar="FORMAT",
                            help=f"one of {', '.join(IMPORTERS)}; else recognised")  # fmt: skip
        parser.add_argument("--map", action="append", default=[], metavar="LABEL=MEANING",
                            help="'walking=posture: walk', 'car=left out'")  # fmt: skip
        parser.add_argument("--subject", action="append", default=[], metavar="NAME=PERSON",
                            help="person's number, everybody, class or left out")  # fmt: skip
        parser.add_argument("--video", action="append", default=[], metavar="NAME=VIDEO",
                            help="what a video of the file is called here")  # fmt: skip
        parser.add_argument("--fps", type=float, default=0, help="of the file's frame numbers")
        parser.add_argument("--first-timestamp", type=int, help="of a video's first second")
        parser.add_argument("--confirm", action="store_true", help="take the answers")
        parser.add_argument("--undo", type=int, metavar="ID", help="undo this import")

    def handle(self, **options: Any) -> None:
        dataset = Dataset.objects.filter(name=options["dataset"]).first()
        if dataset is None:
            raise CommandError(f"there is no dataset called {options['dataset']}")
        try:
            if options["undo"] is not None:
                self._undo(dataset, options["undo"])
                return
            if not options["path"] or not options["path"].exists() or not options["source"]:
                raise CommandError("give an existing FILE and --source, or --undo")
            self._import(dataset, options)
        except LabelImportError as error:
            raise CommandError(f"{error}.") from error

    def _undo(self, dataset: Dataset, pk: int) -> None:
        row = LabelImport.objects.of(dataset).filter(pk=pk).first()
        if row is None:
            raise CommandError(f"{dataset} has no import {pk}")
        self.stdout.write(f"{undo_import(row)} answers withdrawn.")

    def _import(self, dataset: Dataset, options: dict[str, Any]) -> None:
        choices = {
            "mapping": _pairs(options["map"]), "subjects": _pairs(options["subject"]),
            "videos": _pairs(options["video"]), "fps": options["fps"],
            "first_timestamp": options["first_timestamp"],
        }  # fmt: skip
        with work_folder() as folder:
            copy = _copied(options["path"], folder)
            row = begin_import(
                dataset, copy, original_name=copy.name, source_name=options["source"],
                format=options["format"],
            )  # fmt: skip
        LabelImport.objects.filter(pk=row.pk).update(choices=choices)
        row = self._run(row)
        self._print(row.preview or {})
        if not options["confirm"]:
            self.stdout.write("Nothing was taken yet: add --confirm.")
            return
        confirm_import(row, choices)
        row = self._run(row)
        waiting = AnswerVersion.objects.filter(label_import=row).claimable()
        for pk in list(waiting.values_list("pk", flat=True)):
            read_answers(pk)
        count = (row.outcome or {}).get("versions", 0)
        self.stdout.write(f"Import {row.pk}: answers to {count} clips stored as {row.source}.")

    def _run(self, row: LabelImport) -> LabelImport:
        run_import(row.pk)
        row.refresh_from_db()
        if row.stage != Stage.DONE:
            raise CommandError(row.error or "another worker reads it; see the page of imports")
        return row

    def _print(self, preview: dict[str, Any]) -> None:
        self.stdout.write(
            f"{preview['title']}: {preview['boxes']} boxes in {preview['video_count']} videos; "
            f"{preview['keyframes']} people at keyframes of {preview['clip_count']} clips, "
            f"{preview['persons']} tracked and {preview['drawn']} drawn persons."
        )
        if counts := preview.get("class_counts"):
            words = ", ".join(f"{name} {count}" for name, count in counts.items())
            self.stdout.write(f"By class: {words}.")
        for one in preview["labels"]:
            self.stdout.write(f"  {one['text']} ({one['count']}) = {one['meaning']}")
        for one in preview["subjects"]:
            name = one["name"] or "the whole frame"
            self.stdout.write(f"  subject {name} ({one['count']}) = {one['meaning']}")
        if preview["unplaced"]:
            rest = preview["unplaced"][:SHOWN]
            self.stdout.write(f"Not in this dataset: {', '.join(rest)}")
        if preview["untracked"]:
            self.stdout.write(f"Not tracked yet: {', '.join(preview['untracked'][:SHOWN])}")
        for reason, count in preview["left_out_counts"].items():
            self.stdout.write(f"Left out: {count} {reason}")
        for note in [*preview["left_out"], *preview["notes"][:SHOWN]]:
            self.stdout.write(f"Note: {note}")


def _pairs(texts: list[str]) -> dict[str, str]:
    """`LABEL=MEANING`; the last `=` parts them."""
    found = {}
    for text in texts:
        label, sign, meaning = text.rpartition("=")
        if not sign:
            raise CommandError(f"{json.dumps(text)} is not LABEL=MEANING")
        found[label.strip()] = meaning.strip()
    return found


def _copied(path: Path, folder: Path) -> Path:
    """A copy of a file, or a zip of what can be imported in a folder."""
    if path.is_file():
        return Path(shutil.copy(path, folder / path.name))
    copy = folder / f"{path.resolve().name}.zip"
    with zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED) as archive:
        for one in sorted(path.rglob("*")):
            if one.is_file() and one.suffix.lower() in ENDINGS:
                archive.write(one, one.relative_to(path).as_posix())
    return copy
