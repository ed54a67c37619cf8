"""`make_bundle`: detection and tracking of a zip of videos, exported as a bundle."""

from argparse import ArgumentParser
from pathlib import Path
from shutil import copyfile
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from avaproject.base.arguments import weights_argument
from avaproject.base.storage import local_path
from avaproject.base.temporary import partial_path
from avaproject.base.work import Stage
from datasets.core.naming import safe_name
from datasets.models import Clip, Dataset
from tracking.models import Bundle, IdentityRun, TrackingRun
from tracking.services.export_bundle import NotTrackedError, request_bundle
from tracking.services.tracking_configs import (
    active_settings,
    config_key_of,
    read_weights_again,
)
from workers.pipeline import STEPS
from workers.terminal_progress import run_until_done

STEPS_TO_BUNDLE = STEPS[: [step.name for step in STEPS].index("bundle") + 1]


class Command(BaseCommand):
    help = "Detect and track the people in a zip of videos, and export the result as a bundle."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("zip", type=Path, help="zip of videos")
        parser.add_argument(
            "--out", required=True, type=Path, metavar="DIR", help="folder for the files"
        )
        parser.add_argument("--dataset", metavar="NAME", help="default: the name of the zip")
        parser.add_argument("--detector", help="person detector (default: rfdetr-medium)")
        parser.add_argument(
            "--weights",
            type=weights_argument,
            help="your own weights file: a path, or a name in AVA_WEIGHTS_DIR",
        )
        parser.add_argument("--threshold", type=float, help="minimum score of a person, 0 to 1")
        parser.add_argument("--frame-stride", type=int, help="detect every n-th frame")
        parser.add_argument("--annotation-fps", type=int, help="annotation frames per second")
        parser.add_argument(
            "--no-clips", action="store_true",
            help="leave out clips.zip: smaller, but releases cannot have frames at 30 fps",
        )  # fmt: skip

    def handle(self, **options: Any) -> None:
        name = options["dataset"] or safe_name(options["zip"].name, taken=())
        given = ("detector", "weights", "threshold", "frame_stride", "annotation_fps")
        call_command(
            "import_videos",
            str(options["zip"]),
            dataset=name,
            verbosity=0,  # the work is done below
            stdout=self.stdout,
            stderr=self.stderr,
            **{key: options[key] for key in given if options[key] is not None},
        )
        dataset = Dataset.objects.get(name=name)
        retry(dataset)
        failures = self._work()
        try:
            bundle = request_bundle(dataset, with_clips=not options["no_clips"])
        except NotTrackedError as error:
            failed = f"{failures} rows failed, see above; correct the cause and run it again"
            raise CommandError(failed if failures else str(error)) from error
        failures += self._work()
        bundle.refresh_from_db()
        if bundle.stage != Stage.DONE:
            raise CommandError(f"the bundle is {bundle.stage}: {bundle.error or 'see above'}")
        self._copy(bundle, options["out"])
        for one in bundle.left_out:
            self.stderr.write(f"Not in the bundle: {one['name']}, {one['reason']}.")
        if failures:
            raise CommandError(
                f"{failures} rows failed, see above; they are missing in the bundle"
            )

    def _work(self) -> int:
        """Do all waiting work up to bundles; return the number of failed rows."""
        console = Console(stderr=True, soft_wrap=True, highlight=False)
        return len(run_until_done(console, STEPS_TO_BUNDLE).failures)

    def _copy(self, bundle: Bundle, out: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        for name, facts in sorted(bundle.files.items()):
            with (
                local_path(f"{bundle.folder}/{name}") as path,
                partial_path(out / name) as part,
            ):
                copyfile(path, part)
                part.replace(out / name)
            self.stdout.write(f"{facts['size']:>14,} bytes  {out / name}")


def retry(dataset: Dataset) -> None:
    """Retry failed rows up to tracking, because their cause may have been corrected.

    All the work is done here, so the weights are those that lie here now.
    """
    read_weights_again(dataset)
    config_key = config_key_of(active_settings(dataset))
    for rows in (
        dataset.videos.all(),
        Clip.objects.of(dataset),
        TrackingRun.objects.of(dataset).filter(config_key=config_key),
        IdentityRun.objects.filter(video__dataset=dataset, config_key=config_key),
    ):
        rows.retry()
