"""Command `check_release`: run the checks of a release on its folder."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import track

from qc.core.release.checks.detector import check_detector
from qc.core.release.checks.expectations import CheckFailedError
from qc.core.release.checks.run_checks import checks_of
from qc.core.release.reader import ReleaseReader, ReleaseReadError
from tracking.detectors.registry import (
    DetectorError,
    PrecomputedDetections,
    open_detector,
    weights_path,
)

KIND_OF = {".onnx": "onnx", ".pth": "rfdetr-file", ".pt": "rfdetr-file"}
SCORE = 0.3  # from which on a detection counts: most of what is there


class Command(BaseCommand):
    help = "Run the checks of a release on its folder, for example on an unpacked zip."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "folder", type=Path, metavar="DIR", help="folder with manifest.json"
        )
        parser.add_argument(
            "--complete", action="store_true",
            help="miss frames, clips and formats that a part download has left out",
        )  # fmt: skip
        parser.add_argument(
            "--detector", default="", metavar="NAME|FILE",
            help="a detector that must find the boxes of 20 keyframes again, such as "
            "rfdetr-medium or an ONNX file; without, the ONNX file of the release's settings, "
            "if it is in the weights folder",
        )  # fmt: skip

    def handle(
        self, *args: Any, folder: Path, complete: bool, detector: str, **options: Any
    ) -> None:
        if not folder.is_dir():
            fix = "; unpack the zip first" if folder.is_file() else ""
            raise CommandError(f"{folder} is not a folder{fix}.")
        if not (folder / "manifest.json").is_file():
            raise CommandError(f"{folder} is not a release: it has no manifest.json.")
        checks = []
        found = checks_of(folder, is_complete=complete)
        progress = track(found, "checking", console=Console(stderr=True), transient=True)
        for check in progress:
            checks.append(check["passed"])
            self._print(check["name"], check["sentence"], passed=check["passed"])
        if chosen := detector or _detector_of(folder):
            passed, sentence = _detected(folder, chosen, is_complete=complete)
            checks.append(passed)
            self._print("detector", sentence, passed=passed)
        if failed := checks.count(False):
            raise CommandError(f"{folder} failed {failed} of {len(checks)} checks.")
        self.stdout.write(f"{folder} passed all {len(checks)} checks.")

    def _print(self, name: str, sentence: str, *, passed: bool) -> None:
        mark = "passed" if passed else "FAILED"
        self.stdout.write(f"  {mark}  {name}: {sentence}")


def _detector_of(folder: Path) -> str:
    """The ONNX file that the settings of a release name, if it is at hand; else empty."""
    try:
        said = ReleaseReader(folder).json("settings.json").get("dataset")
    except ReleaseReadError:
        return ""
    weights = said.get("weights") if isinstance(said, dict) else None
    name = Path(str(weights or "")).name
    path = weights_path(name) if name.lower().endswith(".onnx") else None
    return name if path is not None and path.is_file() else ""


def _detected(folder: Path, chosen: str, *, is_complete: bool) -> tuple[bool, str]:
    """Whether a detector finds the persons of some keyframes, and the sentence.

    Raises CommandError if it cannot be opened.
    """
    kind = KIND_OF.get(Path(chosen).suffix.lower(), chosen)
    weights = "" if kind == chosen else chosen
    try:
        detector = open_detector(kind, weights=weights, threshold=SCORE)
    except DetectorError as error:
        raise CommandError(str(error)) from error
    if isinstance(detector, PrecomputedDetections):
        raise CommandError(f"{chosen} reads boxes from files, and looks at no frame.")
    release = ReleaseReader(folder, is_complete=is_complete)
    try:
        sentence = check_detector(
            release, lambda images: [found.boxes for found in detector.detect(images)]
        )
    except (CheckFailedError, ReleaseReadError) as error:
        return False, str(error)
    except DetectorError as error:
        raise CommandError(str(error)) from error
    return True, sentence
