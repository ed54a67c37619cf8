"""Command `sync_release`: copy a release to a bucket."""

from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from avaproject.base.work import Stage
from datasets.core.sizes import size_text
from qc.core.release.packing import PARTS
from qc.management.command_progress import run_or_wait
from qc.models import Release
from qc.services.release.bucket_sync import SyncError, request_sync, sync_release


class Command(BaseCommand):
    help = "Copy a release to a prefix of a bucket; a second run sends only what is missing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dataset", required=True, metavar="NAME")
        parser.add_argument("number", type=int)
        parser.add_argument("--prefix", default="", help="default: DATASET/release-NUMBER")
        parser.add_argument(
            "--part", action="append", dest="parts", choices=PARTS,
            help="besides the annotations; can be repeated; default: all parts",
        )  # fmt: skip
        parser.add_argument("--annotations-only", action="store_true", help="no parts")

    def handle(self, *args: Any, dataset: str, number: int, **options: Any) -> None:
        releases = Release.objects.available().filter(dataset__name=dataset)
        release = releases.select_related("dataset").filter(number=number).first()
        if release is None:
            there = ", ".join(str(each.number) for each in releases) or "none"
            raise CommandError(f"{dataset} has no release {number}; there are: {there}")
        prefix = options["prefix"] or release.prefix
        parts = [] if options["annotations_only"] else options["parts"] or list(PARTS)
        try:
            sync = request_sync(release, prefix=prefix, parts=parts)
        except SyncError as error:
            raise CommandError(str(error)) from error
        work = partial(sync_release, sync.pk)
        sync = run_or_wait(sync, lambda on_progress: work(progress=on_progress))
        if sync.stage == Stage.FAILED:
            raise CommandError(f"{sync}: {sync.error}")
        counts = sync.counts
        self.stdout.write(
            f"{sync}: {counts['files']} files, {size_text(counts['bytes'])}; sent "
            f"{counts['sent']} files, {size_text(counts['sent_bytes'])}"
        )
