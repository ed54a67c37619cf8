"""Command `push_release`: push a release to the Hugging Face Hub."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

from qc.core.release.packing import PARTS
from qc.models import Release
from qc.services.release.hub_push import PushError, push_release


class Command(BaseCommand):
    help = (
        "Push a release to the Hugging Face Hub. The token is taken from HF_TOKEN or from "
        "`hf auth login`."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dataset", required=True, metavar="NAME")
        parser.add_argument("number", type=int)
        parser.add_argument("--to", required=True, metavar="hf:ORG/NAME", dest="target")
        parser.add_argument(
            "--part", action="append", default=[], choices=PARTS, dest="parts",
            help="besides annotations and formats; can be repeated",
        )  # fmt: skip
        parser.add_argument(
            "--private", action="store_true", help="only for members of ORG; else for all"
        )

    def handle(
        self, *args: Any, dataset: str, number: int, target: str, parts: list[str],
        private: bool, **options: Any,
    ) -> None:  # fmt: skip
        release = Release.objects.filter(dataset__name=dataset, number=number).first()
        if release is None:
            raise CommandError(f"{dataset} has no release {number}")
        try:
            result = push_release(release, target, parts=parts, api=HfApi(), is_private=private)
        except PushError as error:
            raise CommandError(f"{error}.") from error
        except (HfHubHTTPError, LocalTokenNotFoundError, OSError) as error:
            raise CommandError(f"the Hub refused: {error}") from error
        self.stdout.write(f"{release} is in {result.repository}, revision {result.revision}")
