from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import track

from avaproject.base.work import Stage
from datasets.core.naming import safe_name
from datasets.core.zipping import new_zip
from datasets.services.create import create_dataset
from demo.run import Journey, TruthAt
from demo.summary import consensus_figures, made_by_each_stage, truth_figures
from demo.world.casting import WORLD
from demo.world.scene import render, truth_at
from demo.world.spec import VideoSpec
from qc.models import Release
from workers.accounts import ADMIN, ensure_admin
from workers.pipeline import STEPS
from workers.progress import unwrapped, work_off

TINY_PERSON = Path(__file__).resolve().parents[2] / "tiny_person.pth"


class Command(BaseCommand):
    help = "Walk the whole road: a zip of videos goes in, an AVA release comes out."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--zip", type=Path, help="your own videos (default: a rendered world)"
        )
        parser.add_argument(
            "--dataset", help="name of the dataset (default: made of the zip's)"
        )
        parser.add_argument(
            "--detector", help="as for a dataset; rfdetr-medium for your videos"
        )
        parser.add_argument("--weights", type=Path, help="weights file of that detector")
        parser.add_argument("--threshold", type=float, default=0.45, help="least score, 0 to 1")
        parser.add_argument("--stride", type=int, default=2, help="look at every n-th frame")

    def handle(self, **options: Any) -> None:
        self.console = Console(file=unwrapped(self.stdout), soft_wrap=True, highlight=False)
        call_command("migrate", verbosity=0, interactive=False)
        password = ensure_admin()
        release = self._walk(**options)
        if release.stage != Stage.DONE:
            raise CommandError(f"Release {release.number} failed: {release.error}")
        self._tell_result(release, password)

    def _walk(
        self, *, zip: Path | None, dataset: str | None, detector: str | None,
        weights: Path | None, threshold: float, stride: int, **options: Any,
    ) -> Release:  # fmt: skip
        if zip is not None and not zip.is_file():
            raise CommandError(f"There is no file {zip}.")
        if zip is None:
            detector, weights = detector or "rfdetr-file", weights or TINY_PERSON
        detector = detector or ("rfdetr-medium" if weights is None else _door_for(weights))
        name = dataset or (
            "demo" if zip is None else safe_name(f"{zip.stem} {detector}", taken=())
        )
        row = create_dataset(
            name,
            vocabulary="ava-v2.2",
            description="Answers of simulated annotators, made by the demo",
            detector=detector,
            weights=str(weights.resolve()) if weights else "",
            threshold=threshold,
            frame_stride=stride,
            is_simulated=True,
        )
        folder = settings.DATA_DIR / "demo"
        journey = Journey(
            dataset=row,
            folder=folder / "answers" / name,
            work=self._work,
            say=lambda sentence: self.console.rule(f"[bold]{sentence}", align="left"),
            truth_at=truth_of_world(WORLD) if zip is None else None,
        )
        return journey.walk(zip or self._world(folder))

    def _work(self) -> None:
        """Do all that waits; what fails is told, and the rest goes on."""
        work_off(self.console, STEPS)

    def _world(self, folder: Path) -> Path:
        """The zip of the rendered videos, made if it is not there."""
        target = folder / "world.zip"
        if not target.exists():
            folder.mkdir(parents=True, exist_ok=True)
            say = f"Rendering {len(WORLD)} videos"
            paths = [render(spec, folder) for spec in track(WORLD, say, console=self.console)]
            part = target.with_suffix(".part")
            with new_zip(part) as archive:
                for path in paths:
                    archive.add_file(path.name, path)
            part.replace(target)
        return target

    def _tell_result(self, release: Release, password: str | None) -> None:
        self.console.print(made_by_each_stage(release))
        if release.dataset.name == "demo":
            truth = truth_of_world(WORLD)
            self.console.print(consensus_figures(release.dataset, truth))
            self.console.print(truth_figures(release, truth))
        self.console.print(f"Release {release.number}: {default_storage.path(release.folder)}")
        account = f"log in as {ADMIN}"
        if password:
            account += f" with the password {password} (shown this once)"
        self.console.print(f"The pages:   ./ava up, then http://127.0.0.1:8000/ and {account}")


def truth_of_world(world: tuple[VideoSpec, ...]) -> TruthAt:
    """What is to be seen in the standard videos of `world`, by their original names."""
    specs = {spec.file_name: spec for spec in world}
    return lambda name, frame: truth_at(specs[name], frame)


def _door_for(weights: Path) -> str:
    return "onnx" if weights.suffix == ".onnx" else "rfdetr-file"
