"""The datasheet of a dataset: its answers, and what is still open."""

from datasets.models import Dataset
from qc.core.release.docs.datasheet import SheetQuestion, unanswered
from qc.models import Datasheet, TakenOut


def datasheet_answers(dataset: Dataset) -> dict[str, str]:
    """The answers by the keys of the questions; empty if nobody gave any."""
    sheet = Datasheet.objects.filter(dataset=dataset).first()
    return {str(key): str(text) for key, text in sheet.answers.items()} if sheet else {}


def open_questions(dataset: Dataset) -> list[SheetQuestion]:
    """The questions that a public release needs to have answered, and that are not."""
    return unanswered(datasheet_answers(dataset))


def taken_out_of(dataset: Dataset) -> list[dict[str, str]]:
    """What no release of a dataset may hold any more: `what`, `at` (a day) and `reason`."""
    return [
        {"what": one.what, "at": one.taken_out_at.date().isoformat(), "reason": one.reason}
        for one in TakenOut.objects.filter(dataset=dataset).order_by("pk")
    ]
