"""Command `make_release`: create a release of a dataset."""

import argparse
import shutil
from functools import partial
from pathlib import Path
from typing import Any

from django.core.files.storage import default_storage
from django.core.management.base import BaseCommand, CommandError, CommandParser

from avaproject.base.work import Stage
from datasets.models import Dataset
from qc.core.release.blurring import HEADS
from qc.core.release.formats import FORMATS
from qc.core.release.options import (
    LICENCES,
    MIN_INSTANCES,
    OptionsError,
    ReleaseOptions,
    read_split_list,
)
from qc.core.release.packing import NO_LICENCE, PARTS
from qc.management.command_progress import run_or_wait
from qc.models import Release
from qc.services.release.make_release import make_release, request_release
from qc.services.release.release_storage import opener, zip_of


class Command(BaseCommand):
    help = "Create a release of the approved clips of a dataset."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dataset", required=True, metavar="NAME")
        parser.add_argument(
            "--out",
            type=Path,
            metavar="DIR",
            help="also copy the release there, as a folder and a zip",
        )
        parser.add_argument(
            "--frames", type=_frames, default="full",
            metavar="full|none|annotations|PIXELS",
            help="30 frames per second: full size, none, this longest side in pixels, or "
            "annotations only, without frames and clips",
        )  # fmt: skip
        parser.add_argument(
            "--format", action="append", default=[], choices=FORMATS, dest="formats",
            help="an additional format; can be repeated",
        )  # fmt: skip
        parser.add_argument(
            "--official-names",
            action="store_true",
            help="also write files with the names of AVA v2.2",
        )
        parser.add_argument(
            "--licence", default="", choices=["", *LICENCES, NO_LICENCE],
            help=f"always to be said: {NO_LICENCE} if nobody may pass the release on",
        )  # fmt: skip
        parser.add_argument(
            "--public", action="store_true",
            help="for everybody: needs a licence and a complete datasheet",
        )  # fmt: skip
        parser.add_argument(
            "--blur-faces", default="", metavar=f"{HEADS}|FILE.onnx",
            help="blur faces on frames and clips: the upper part of each person's box, or what "
            "a face detector in the weights folder finds",
        )  # fmt: skip
        parser.add_argument("--doi", default="", help="such as 10.5281/zenodo.1234")
        parser.add_argument("--keyword", action="append", default=[], dest="keywords")
        parser.add_argument(
            "--min-instances", type=int, default=MIN_INSTANCES,
            help="labels in val below which an action is not in the evaluation list",
        )  # fmt: skip
        parser.add_argument("--author", action="append", default=[], dest="authors")
        parser.add_argument("--seed", type=int, default=0, help="for the splits of new videos")
        parser.add_argument(
            "--split-list", type=Path, metavar="FILE", help="lines of `video,train|val|test`"
        )

    def handle(self, *args: Any, dataset: str, out: Path | None, **options: Any) -> None:
        try:
            found = Dataset.objects.get(name=dataset)
        except Dataset.DoesNotExist as error:
            names = ", ".join(Dataset.objects.values_list("name", flat=True)) or "none yet"
            raise CommandError(f"no dataset {dataset!r}; there are: {names}") from error
        try:
            release = request_release(found, options=_options(found, options))
        except OptionsError as error:
            raise CommandError(str(error)) from error
        work = partial(make_release, release.pk)
        release = run_or_wait(release, lambda on_progress: work(on_progress=on_progress))
        for check in release.checks:
            mark = "passed" if check["passed"] else "FAILED"
            self.stdout.write(f"  {mark}  {check['name']}: {check['sentence']}")
        if release.stage == Stage.FAILED:
            raise CommandError(f"{release}: {release.error}")
        counts = release.counts
        self.stdout.write(
            f"{release}: {counts['clips']} clips, {counts['keyframes']} keyframes, "
            f"{counts['boxes']} boxes, {counts['labels']} labels"
        )
        for line in _copies(release, out) if out else [_location(release)]:
            self.stdout.write(line)


def _frames(value: str) -> str:
    if value in ("full", "none", "annotations") or value.isdecimal():
        return value
    raise argparse.ArgumentTypeError(
        f"{value!r} is not full, none, annotations or a number of pixels"
    )


def _options(dataset: Dataset, options: dict[str, Any]) -> ReleaseOptions:
    """The options of the command line. Raises CommandError if one is invalid."""
    if not options["licence"]:
        raise CommandError(
            "no licence was said, and none is guessed: add --licence "
            f"{'|'.join(LICENCES)}, or --licence {NO_LICENCE} if nobody may pass it on"
        )
    try:
        file = options["split_list"]
        listed = file.read_text(encoding="utf-8") if file else ""
        known = set(dataset.videos.values_list("name", flat=True))
        return ReleaseOptions.chosen(
            options["frames"],
            formats=tuple(sorted(set(options["formats"]))),
            official_names=options["official_names"],
            seed=options["seed"],
            split_of=read_split_list(listed, known=known),
            licence=options["licence"],
            authors=tuple(options["authors"]),
            is_public=options["public"],
            doi=options["doi"],
            keywords=tuple(options["keywords"]),
            min_instances=options["min_instances"],
            blur_faces=options["blur_faces"],
        )
    except (OptionsError, OSError, UnicodeDecodeError) as error:
        raise CommandError(str(error)) from error


def _location(release: Release) -> str:
    """Where the release is in the storage."""
    name = release.folder or release.archive.name or ""
    try:
        return default_storage.path(name)
    except NotImplementedError:
        return name


def _copies(release: Release, out: Path) -> list[str]:
    """Copy a release to `out` as a folder and a zip; return their paths."""
    out.mkdir(parents=True, exist_ok=True)
    name = f"{release.dataset}-release-{release.number}"
    zipped = out / f"{name}.zip"
    if not release.folder:
        stored = release.archive.name or ""
        with default_storage.open(stored, "rb") as source, zipped.open("wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
        return [str(zipped)]
    layout, folder = zip_of(release, PARTS)
    with zipped.open("wb") as file:
        file.writelines(layout.read(0, layout.size, opened=opener(folder)))
    shutil.rmtree(out / name, ignore_errors=True)
    shutil.copytree(folder, out / name, copy_function=shutil.copyfile)
    return [str(out / name), str(zipped)]
