"""`demo`: run the whole pipeline on rendered videos or on your own zip."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import track

from avaproject.base.bootstrap import bootstrap
from avaproject.base.work import Stage
from datasets.core.naming import safe_name
from datasets.core.zip_writer import new_zip
from datasets.services.create import create_dataset
from demo.run import DemoRun, IncompleteError
from demo.summary import consensus_accuracy_table, release_accuracy_table, stages_table
from demo.world.renderer import GroundTruth, render, truth_at
from demo.world.video_spec import VideoSpec
from demo.world.videos import DEMO_VIDEOS
from qc.models import Release
from workers.pipeline import STEPS
from workers.terminal_progress import raw_stream, run_until_done

TINY_PERSON = Path(__file__).resolve().parents[2] / "tiny_person.pth"


class Command(BaseCommand):
    help = "Run the whole pipeline, from a zip of videos to an AVA release."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--zip", type=Path, help="zip of your own videos (default: rendered ones)"
        )
        parser.add_argument(
            "--dataset", help="name of the dataset (default: from the name of the zip)"
        )
        parser.add_argument(
            "--detector", help="detector (default for your videos: rfdetr-medium)"
        )
        parser.add_argument("--weights", type=Path, help="weights file of the detector")
        parser.add_argument(
            "--threshold", type=float, default=0.45, help="minimum score, 0 to 1"
        )
        parser.add_argument("--stride", type=int, default=2, help="detect every n-th frame")

    def handle(self, **options: Any) -> None:
        self.console = Console(file=raw_stream(self.stdout), soft_wrap=True, highlight=False)
        account: list[str] = []
        bootstrap(account.append)
        try:
            release = self._run(**options)
        except IncompleteError as error:
            raise CommandError(str(error)) from error
        if release.stage != Stage.DONE:
            raise CommandError(f"Release {release.number} failed: {release.error}")
        self._print_result(release)
        self.console.print(*account)

    def _run(
        self, *, zip: Path | None, dataset: str | None, detector: str | None,
        weights: Path | None, threshold: float, stride: int, **options: Any,
    ) -> Release:  # fmt: skip
        if zip is not None and not zip.is_file():
            raise CommandError(f"There is no file {zip}.")
        if zip is None:
            detector, weights = detector or "rfdetr-file", weights or TINY_PERSON
        detector = detector or ("rfdetr-medium" if weights is None else _detector_of(weights))
        name = dataset or (
            "demo" if zip is None else safe_name(f"{zip.stem} {detector}", taken=())
        )
        row = create_dataset(
            name,
            vocabulary="ava-v2.2",
            description="Made by the demo, with simulated annotators",
            detector=detector,
            weights=str(weights.resolve()) if weights else "",
            threshold=threshold,
            frame_stride=stride,
            is_simulated=True,
        )
        folder = settings.DATA_DIR / "demo"
        run = DemoRun(
            dataset=row,
            folder=folder / "answers" / name,
            work=self._work,
            log=lambda title: self.console.rule(f"[bold]{title}", align="left"),
            truth_at=truth_of_videos(DEMO_VIDEOS) if zip is None else None,
        )
        return run.run(zip or self._rendered_zip(folder))

    def _work(self) -> None:
        """Do all waiting work; failures are printed."""
        run_until_done(self.console, STEPS)

    def _rendered_zip(self, folder: Path) -> Path:
        """The zip of the rendered videos, rendered if it does not exist."""
        target = folder / "world.zip"
        if not target.exists():
            folder.mkdir(parents=True, exist_ok=True)
            title = f"Rendering {len(DEMO_VIDEOS)} videos"
            paths = [
                render(spec, folder) for spec in track(DEMO_VIDEOS, title, console=self.console)
            ]
            part = target.with_suffix(".part")
            with new_zip(part) as archive:
                for path in paths:
                    archive.add_file(path.name, path)
            part.replace(target)
        return target

    def _print_result(self, release: Release) -> None:
        self.console.print(stages_table(release))
        if release.dataset.name == "demo":
            truth = truth_of_videos(DEMO_VIDEOS)
            self.console.print(consensus_accuracy_table(release.dataset, truth))
            self.console.print(release_accuracy_table(release, truth))
        self.console.print(f"Release {release.number}: {default_storage.path(release.folder)}")
        self.console.print("Pages: run ./ava up, then open http://127.0.0.1:8000/")


def truth_of_videos(videos: tuple[VideoSpec, ...]) -> GroundTruth:
    """The ground truth of the rendered `videos`, by their original names."""
    specs = {spec.file_name: spec for spec in videos}
    return lambda name, frame: truth_at(specs[name], frame)


def _detector_of(weights: Path) -> str:
    return "onnx" if weights.suffix == ".onnx" else "rfdetr-file"
