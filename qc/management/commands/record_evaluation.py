"""Command `record_evaluation`: record how good a model trained on a release is."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from qc.models import Release, ReleaseEvaluation
from qc.services.release.evaluations import (
    EvaluationError,
    evaluate_results,
    record_evaluation,
)


class Command(BaseCommand):
    help = "Record the mAP of a model trained on a release, for the learning curve."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dataset", required=True, metavar="NAME")
        parser.add_argument("number", type=int, help="number of the release")
        parser.add_argument("--model", required=True, help="name of the model in the curve")
        parser.add_argument("--split", default="val", help="what it was measured on")
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument(
            "--results", type=Path, metavar="CSV",
            help="rows video_id,timestamp,x1,y1,x2,y2,action_id,score; evaluated here",
        )  # fmt: skip
        source.add_argument(
            "--map", type=float, dest="mean_ap", help="mAP from 0 to 1, evaluated elsewhere"
        )
        source.add_argument("--remove", action="store_true", help="remove what was recorded")

    def handle(
        self, *args: Any, dataset: str, number: int, model: str, split: str, **options: Any
    ) -> None:
        releases = Release.objects.done().filter(dataset__name=dataset)
        release = releases.select_related("dataset").filter(number=number).first()
        if release is None:
            there = ", ".join(str(each.number) for each in releases) or "none"
            raise CommandError(f"{dataset} has no release {number}; there are: {there}")
        if options["remove"]:
            rows = ReleaseEvaluation.objects.filter(release=release, model=model, split=split)
            if not rows.delete()[0]:
                raise CommandError(f"Nothing is recorded of {model} on {split} of {release}.")
            self.stdout.write(f"{model} on {split} of {release}: removed")
            return
        per_action, mean_ap = None, options["mean_ap"]
        try:
            if options["results"]:
                per_action = evaluate_results(release, options["results"], split=split)
                mean_ap = sum(per_action.values()) / len(per_action)
            row = record_evaluation(
                release, model=model, mean_ap=mean_ap, per_action=per_action, split=split
            )
        except EvaluationError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{row}: mAP {row.mean_ap:.4f}")
