"""`export_onnx`: export an RF-DETR model as ONNX."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from avaproject.base.arguments import weights_argument
from tracking.detectors.registry import DETECTORS, RFDETR, DetectorError, weights_path
from tracking.detectors.rfdetr import export


class Command(BaseCommand):
    help = "Write an RF-DETR model as ONNX, for the detector onnx on machines without a GPU."

    def add_arguments(self, parser: ArgumentParser) -> None:
        names = [name for name, one in DETECTORS.items() if one.module == RFDETR]
        parser.add_argument("--detector", choices=names, default="rfdetr-medium")
        parser.add_argument(
            "--weights", type=weights_argument, default="", help="your own checkpoint"
        )
        parser.add_argument("--out", type=Path, required=True, metavar="FILE.onnx")

    def handle(self, *, detector: str, weights: str, out: Path, **options: Any) -> None:
        if DETECTORS[detector].needs_weights and not weights:
            raise CommandError(f"{detector} needs --weights FILE.")
        path = weights_path(weights)
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
