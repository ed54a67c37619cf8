from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from avaproject.base.arguments import weights_argument as weights_argument
from tracking.detectors.registry import DetectorError, weights_path
from tracking.detectors.rfdetr import MODELS, export


class Command(BaseCommand):
    help = "Write an RF-DETR model as ONNX, for the detector onnx on machines without a GPU."

    def add_arguments(self, parser: ArgumentParser) -> None:
        names = [*MODELS, "rfdetr-file"]
        parser.add_argument("--detector", choices=names, default="rfdetr-medium")
        parser.add_argument(
            "--weights", type=weights_argument, default="", help="file of one's own"
        )
        parser.add_argument("--out", type=Path, required=True, metavar="FILE.onnx")

    def handle(
        self, *, detector: str, weights_argument: str, out: Path, **options: Any
    ) -> None:
        if detector == "rfdetr-file" and not weights_argument:
            raise CommandError("rfdetr-file needs --weights FILE.")
        path = weights_path(weights_argument)
        if path is not None and not path.is_file():
            raise CommandError(f"There is no file {path}.")
        try:
            export(detector, path, out)
        except DetectorError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{out.stat().st_size:,} bytes  {out}. Use it with: --detector onnx "
            f"--weights {out.resolve()}"
        )
