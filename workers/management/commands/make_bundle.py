from argparse import ArgumentParser
from pathlib import Path
from shutil import copyfile
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from avaproject.base.arguments import weights_argument
from avaproject.base.storage import local_path
from avaproject.base.work import Stage
from datasets.core.naming import safe_name
from datasets.models import Clip, Dataset
from tracking.models import Bundle, IdentityRun, TrackingRun
from tracking.services.export_bundle import NotTrackedError, request_bundle
from tracking.services.track import active_settings, config_key_of
from workers.pipeline import STEPS, sweep
from workers.progress import run_until_done

FIRST_PHASE = STEPS[: [step.name for step in STEPS].index("bundle") + 1]


class Command(BaseCommand):
    help = "Find and track the people in a zip of videos, and write the result as a bundle."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("zip", type=Path, help="zip of videos")
        parser.add_argument(
            "--out", required=True, type=Path, metavar="DIR", help="where the files are put"
        )
        parser.add_argument("--dataset", metavar="NAME", help="default: the name of the zip")
        parser.add_argument("--detector", help="what finds the people (default rfdetr-medium)")
        parser.add_argument(
            "--weights",
            type=weights_argument,
            help="file of one's own, in place of the vendor's: a path, or a name in "
            "AVA_WEIGHTS_DIR",
        )
        parser.add_argument("--threshold", type=float, help="least score of a person, 0 to 1")
        parser.add_argument("--frame-stride", type=int, help="look at every n-th frame")
        parser.add_argument("--annotation-fps", type=int, help="annotation frames a second")
        parser.add_argument(
            "--no-clips", action="store_true",
            help="leave out clips.zip: small, but no release can show frames at 30 a second",
        )  # fmt: skip

    def handle(self, **options: Any) -> None:
        name = options["dataset"] or safe_name(options["zip"].name, taken=())
        given = ("detector", "weights", "threshold", "frame_stride", "annotation_fps")
        call_command(
            "import_videos",
            str(options["zip"]),
            dataset=name,
            verbosity=0,  # what follows is done here
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
            failed = f"{failures} pieces failed, as said above; run it again when it is mended"
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
                f"{failures} pieces failed, as said above; the bundle lacks them"
            )

    def _work(self) -> int:
        """Do all work up to bundles that waits; return how much of it failed."""
        sweep()
        console = Console(stderr=True, soft_wrap=True, highlight=False)
        return len(run_until_done(console, FIRST_PHASE).failures)

    def _copy(self, bundle: Bundle, out: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        for name, facts in sorted(bundle.files.items()):
            beside = out / f".{name}.part"
            with local_path(f"{bundle.folder}/{name}") as path:
                copyfile(path, beside)
            beside.replace(out / name)
            self.stdout.write(f"{facts['size']:>14,} bytes  {out / name}")


def retry(dataset: Dataset) -> None:
    """Send what has failed of the first phase back: what it named may be mended by now."""
    config_key = config_key_of(active_settings(dataset))
    for rows in (
        dataset.videos.all(),
        Clip.objects.of(dataset),
        TrackingRun.objects.of(dataset).filter(config_key=config_key),
        IdentityRun.objects.filter(video__dataset=dataset, config_key=config_key),
    ):
        rows.retry()
