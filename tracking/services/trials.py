"""Tracking again beside what is there: begin a trial, choose between ways, end one."""

from collections.abc import Mapping
from dataclasses import fields

from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import ProtectedError

from datasets.models import Dataset
from tracking.core.sort import TrackerParameters
from tracking.detectors.door import MODULES, RFDETR_NAMES
from tracking.models import TrackingRun, Trial
from tracking.services.track import recipe_of

# What of the tracker a trial may change: everything that is one number.
NUMBERS = tuple(
    field.name for field in fields(TrackerParameters) if field.type in (int, float, "float")
)


class TrialError(ValueError):
    """The trial cannot be begun, chosen or ended; the message says why."""


def begin_trial(
    dataset: Dataset,
    *,
    detector: str,
    weights: str,
    threshold: float,
    frame_stride: int,
    tracker: Mapping[str, float] | None = None,
) -> Trial:
    """Order every clip of `dataset` to be tracked in this way, too; the pipeline does it.

    Args:
        tracker: Parameters unlike the tracker's defaults, of those in `NUMBERS`.

    Raises:
        TrialError: The values make no sense, or the clips are tracked like this already.
    """
    trial = Trial(
        dataset=dataset, detector=detector, weights=weights, threshold=threshold,
        frame_stride=frame_stride, tracker=dict(tracker or {}),
    )  # fmt: skip
    _check(trial)
    recipe = recipe_of(trial)
    with transaction.atomic():
        Dataset.objects.select_for_update().get(pk=dataset.pk)
        tried = [recipe_of(other) for other in Trial.objects.filter(dataset=dataset)]
        if recipe in [recipe_of(dataset), *tried]:
            raise TrialError(f"The clips of {dataset} are tracked like this already: {recipe}.")
        trial.save()
    return trial


def choose(dataset: Dataset, trial: Trial | None) -> None:
    """Track new clips of `dataset` like `trial`, or by its own settings if None.

    Clips given out from now on start from it where it is done. Tasks that exist keep theirs.
    """
    with transaction.atomic():
        Dataset.objects.select_for_update().get(pk=dataset.pk)
        dataset.trials.filter(is_chosen=True).update(is_chosen=False)
        if trial is not None:
            dataset.trials.filter(pk=trial.pk).update(is_chosen=True)


def end_trial(trial: Trial) -> None:
    """Cancel what waits of `trial` and delete what it made. Raises TrialError if it is used."""
    if trial.is_chosen:
        raise TrialError("This trial is the chosen one: choose another before you end it.")
    files = [run.tracks.name for run in TrackingRun.objects.filter(trial=trial) if run.tracks]
    try:
        trial.delete()
    except ProtectedError as error:
        raise TrialError(
            "Annotators have tasks that start from this trial, so it stays."
        ) from error
    for name in files:
        default_storage.delete(name or "")


def _check(trial: Trial) -> None:
    if trial.detector not in MODULES:
        raise TrialError(f"There is no detector {trial.detector!r}; choose of {list(MODULES)}.")
    if trial.detector not in RFDETR_NAMES and not trial.weights:
        raise TrialError(f"The detector {trial.detector} needs the name of a file.")
    unknown = sorted(set(trial.tracker) - set(NUMBERS))
    if unknown:
        raise TrialError(
            f"The tracker has no parameter {unknown[0]!r}; it has {list(NUMBERS)}."
        )
    for name, value in trial.tracker.items():
        if not 0 <= value <= 60:
            raise TrialError(f"{name} is {value:g}; it must be from 0 to 60.")
    try:
        trial.clean_fields(exclude=["dataset"])
    except ValidationError as error:
        raise TrialError("; ".join(error.messages)) from error
