"""Evaluations of models: record how good a model trained on a release is."""

from pathlib import Path

from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.utils.translation import gettext

from qc.core.release.evaluation import ResultsError, evaluate
from qc.core.release.reader import ReleaseReader, ReleaseReadError
from qc.models import Release, ReleaseEvaluation

MAX_NAME = 100  # characters


class EvaluationError(RuntimeError):
    """An evaluation cannot be recorded; the message says why, and what would help."""


def evaluate_results(
    release: Release, results: Path, *, split: str = "val"
) -> dict[int, float]:
    """The average precision of each action of a split, from a results file.

    Raises:
        EvaluationError: if the file or the files of the release cannot be read.
    """
    if release.withdrawn_at or not release.folder:
        raise EvaluationError(
            gettext(
                "The files of %(release)s are not stored as a local folder: give the mAP "
                "itself."
            )
            % {"release": release}
        )
    reader = ReleaseReader(Path(default_storage.path(release.folder)))
    try:
        with results.open(encoding="ascii", newline="") as lines:
            return evaluate(reader, lines, split=split).per_action
    except (ResultsError, ReleaseReadError) as error:
        raise EvaluationError(str(error)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(
            gettext("%(results)s cannot be read: %(error)s.")
            % {"results": results, "error": error}
        ) from error


def record_evaluation(
    release: Release,
    *,
    model: str,
    mean_ap: float,
    per_action: dict[int, float] | None = None,
    split: str = "val",
    user: User | None = None,
) -> ReleaseEvaluation:
    """Record the mAP of a model; recorded again, the newest figure stays.

    Args:
        mean_ap: 0 to 1.
        per_action: Average precision by action id, if it is known.

    Raises:
        EvaluationError: if the name or the figure is not one.
    """
    name = " ".join(model.split())
    if not name or len(name) > MAX_NAME:
        raise EvaluationError(
            gettext("A model needs a name of at most %(max_name)s characters.")
            % {"max_name": MAX_NAME}
        )
    if not 0 <= mean_ap <= 1:
        raise EvaluationError(
            gettext("A mAP is between 0 and 1, not %(mean_ap)g.") % {"mean_ap": mean_ap}
        )
    row, _ = ReleaseEvaluation.objects.update_or_create(
        release=release, model=name, split=split,
        defaults={
            "mean_ap": mean_ap,
            "per_action": {str(key): value for key, value in (per_action or {}).items()},
            "recorded_by": user,
        },
    )  # fmt: skip
    return row
