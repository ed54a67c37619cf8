"""Tracking again beside what is there: begin a experiment, choose between ways, end one."""

from collections.abc import Mapping
from dataclasses import fields

from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import ProtectedError

from datasets.models import Dataset
from tracking.core.sort import TrackerParameters
from tracking.detectors.registry import MODULES, RFDETR_NAMES
from tracking.models import TrackingRun, Experiment
from tracking.services.track import config_key_of

# What of the tracker a experiment may change: everything that is one number.
NUMBERS = tuple(
    field.name for field in fields(TrackerParameters) if field.type in (int, float, "float")
)


class ExperimentError(ValueError):
    """The experiment cannot be begun, chosen or ended; the message says why."""


def start_experiment(
    dataset: Dataset,
    *,
    detector: str,
    weights: str,
    threshold: float,
    frame_stride: int,
    tracker: Mapping[str, float] | None = None,
) -> Experiment:
    """Order every clip of `dataset` to be tracked in this way, too; the pipeline does it.

    Args:
        tracker: Parameters unlike the tracker's defaults, of those in `NUMBERS`.

    Raises:
        ExperimentError: The values make no sense, or the clips are tracked like this already.
    """
    experiment = Experiment(
        dataset=dataset, detector=detector, weights=weights, threshold=threshold,
        frame_stride=frame_stride, tracker=dict(tracker or {}),
    )  # fmt: skip
    _check(experiment)
    config_key = config_key_of(experiment)
    with transaction.atomic():
        Dataset.objects.select_for_update().get(pk=dataset.pk)
        tried = [config_key_of(other) for other in Experiment.objects.filter(dataset=dataset)]
        if config_key in [config_key_of(dataset), *tried]:
            raise ExperimentError(f"The clips of {dataset} are tracked like this already: {config_key}.")
        experiment.save()
    return experiment


def choose(dataset: Dataset, experiment: Experiment | None) -> None:
    """Track new clips of `dataset` like `experiment`, or by its own settings if None.

    Clips given out from now on start from it where it is done. Tasks that exist keep theirs.
    """
    with transaction.atomic():
        Dataset.objects.select_for_update().get(pk=dataset.pk)
        dataset.experiments.filter(is_active=True).update(is_active=False)
        if experiment is not None:
            dataset.experiments.filter(pk=experiment.pk).update(is_active=True)


def delete_experiment(experiment: Experiment) -> None:
    """Cancel what waits of `experiment` and delete what it made. Raises ExperimentError if it is used."""
    if experiment.is_active:
        raise ExperimentError("This experiment is the chosen one: choose another before you end it.")
    files = [run.tracks.name for run in TrackingRun.objects.filter(experiment=experiment) if run.tracks]
    try:
        experiment.delete()
    except ProtectedError as error:
        raise ExperimentError(
            "Annotators have tasks that start from this experiment, so it stays."
        ) from error
    for name in files:
        default_storage.delete(name or "")


def _check(experiment: Experiment) -> None:
    if experiment.detector not in MODULES:
        raise ExperimentError(f"There is no detector {experiment.detector!r}; choose of {list(MODULES)}.")
    if experiment.detector not in RFDETR_NAMES and not experiment.weights:
        raise ExperimentError(f"The detector {experiment.detector} needs the name of a file.")
    unknown = sorted(set(experiment.tracker) - set(NUMBERS))
    if unknown:
        raise ExperimentError(
            f"The tracker has no parameter {unknown[0]!r}; it has {list(NUMBERS)}."
        )
    for name, value in experiment.tracker.items():
        if not 0 <= value <= 60:
            raise ExperimentError(f"{name} is {value:g}; it must be from 0 to 60.")
    try:
        experiment.clean_fields(exclude=["dataset"])
    except ValidationError as error:
        raise ExperimentError("; ".join(error.messages)) from error
