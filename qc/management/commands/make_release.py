import shutil
import time
from pathlib import Path
from typing import Any

from django.core.files.storage import default_storage
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from datasets.models import Dataset
from datasets.stages import Stage
from qc.models import Release
from qc.services.release import make_release, order_release

SECONDS_BETWEEN_LOOKS = 1.0


class Command(BaseCommand):
    help = "Make the next release of a dataset out of everything that is approved."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dataset", required=True, metavar="NAME")
        parser.add_argument(
            "--out", type=Path, metavar="DIR", help="copy the folder and the zip there as well"
        )

    def handle(self, *args: Any, dataset: str, out: Path | None, **options: Any) -> None:
        try:
            release = order_release(Dataset.objects.get(name=dataset))
        except Dataset.DoesNotExist as error:
            names = ", ".join(Dataset.objects.values_list("name", flat=True)) or "none yet"
            raise CommandError(f"no dataset {dataset!r}; there are: {names}") from error
        release = self.make(release)
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
        for name in (release.folder, release.archive.name):
            if name:
                self.stdout.write(_copied(name, out) if out else _shown(name))

    def make(self, release: Release) -> Release:
        """Make it here, or wait for the worker that was quicker."""
        with Progress(
            TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), transient=True
        ) as bar:
            task = bar.add_task(f"{release}", total=1.0)

            def tell(share: float, what: str) -> None:
                bar.update(task, completed=share, description=f"{release}: {what}")

            while (made := make_release(release.pk, tell=tell)) is None:
                release.refresh_from_db()
                if release.stage in (Stage.DONE, Stage.FAILED):
                    return release
                tell(release.progress, "another worker makes it")
                time.sleep(SECONDS_BETWEEN_LOOKS)
            return made


def _shown(name: str) -> str:
    try:
        return default_storage.path(name)
    except NotImplementedError:
        return name


def _copied(name: str, out: Path) -> str:
    """Copy a file or a local folder of the storage into `out`; where it is now."""
    out.mkdir(parents=True, exist_ok=True)
    archive = Path(name)
    if archive.suffix == ".zip":
        target = out / archive.name
        with default_storage.open(name, "rb") as source, target.open("wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
    else:
        source_folder = Path(default_storage.path(name))
        target = out / f"{archive.parts[0]}-release-{archive.name}"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source_folder, target, copy_function=shutil.copyfile)
    return str(target)
