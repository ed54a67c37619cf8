"""`measure_detectors`: measure how fast the detectors are on this machine."""

import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tracking.detectors.registry import DetectorError
from tracking.services.detector_speed import measure_detectors, speed_rows

LOWEST = 19


class Command(BaseCommand):
    help = "Measure how fast RF-DETR is here; the page New dataset shows the hours."

    def handle(self, **options: Any) -> None:
        os.nice(LOWEST)  # work for users comes first
        try:
            measure_detectors()
        except DetectorError as error:
            raise CommandError(str(error)) from error
        for one in speed_rows():
            self.stdout.write(
                f"{one.quality:9} {one.seconds_per_frame:7.2f} s a frame, "
                f"{one.hours:6.1f} h for one hour of video"
            )
