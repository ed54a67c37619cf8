"""Experiments: other tracking configurations of a dataset, compared with the one in use."""

from collections.abc import Mapping
from dataclasses import fields

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import ProtectedError
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from datasets.accounts.activity import record
from datasets.models import Dataset, PendingDeletion
from tracking.core.sort import TrackerParameters
from tracking.detectors.registry import DETECTORS
from tracking.models import Experiment, TrackingRun
from tracking.services.tracking_configs import config_key_of

# The tracker parameters that an experiment may change: those that are one number.
CHANGEABLE = tuple(
    field.name for field in fields(TrackerParameters) if field.type in (int, float, "float")
)


class ExperimentError(ValueError):
    """The experiment cannot be started or deleted; the message says why."""


def start_experiment(
    dataset: Dataset,
    *,
    detector: str,
    weights: str,
    threshold: float,
    frame_stride: int,
    keep_ids: bool = False,
    tracker: Mapping[str, float] | None = None,
) -> Experiment:
    """Have the pipeline track every clip of `dataset` with this configuration as well.

    Args:
        keep_ids: The ids of imported boxes are the tracks.
        tracker: Parameters of the tracker, of those in `CHANGEABLE`; the defaults otherwise.

    Raises:
        ExperimentError: A value is invalid, or the clips are tracked like this already.
    """
    experiment = Experiment(
        dataset=dataset, detector=detector, weights=weights, threshold=threshold,
        frame_stride=frame_stride, keep_ids=keep_ids, tracker=dict(tracker or {}),
    )  # fmt: skip
    _check(experiment)
    key = config_key_of(experiment)
    with transaction.atomic():
        Dataset.objects.select_for_update().get(pk=dataset.pk)
        others = [config_key_of(other) for other in Experiment.objects.filter(dataset=dataset)]
        if key in [config_key_of(dataset), *others]:
            raise ExperimentError(
                _("The clips of %(dataset)s are tracked with %(key)s already.")
                % {"dataset": dataset, "key": key}
            )
        experiment.save()
        record("start comparison", key, dataset=dataset)
    return experiment


def activate(dataset: Dataset, experiment: Experiment | None) -> None:
    """Track new clips of `dataset` like `experiment`, or by its own settings if None.

    New tasks start from it where it is done. Existing tasks keep their boxes.
    """
    with transaction.atomic():
        Dataset.objects.select_for_update().get(pk=dataset.pk)
        dataset.experiments.filter(is_active=True).update(is_active=False)
        if experiment is not None:
            dataset.experiments.filter(pk=experiment.pk).update(is_active=True)
        # Which runs of its clips count has changed: whoever keeps figures of them looks again.
        TrackingRun.objects.filter(experiment__in=dataset.experiments.all()).update(
            modified_at=Now()
        )
        record("choose tracking", experiment or "settings of the dataset", dataset=dataset)


def delete_experiment(experiment: Experiment) -> None:
    """Cancel and delete its runs and tracks. Raises ExperimentError if it is used."""
    if experiment.is_active:
        raise ExperimentError(_("This configuration is in use: choose another first."))
    runs = TrackingRun.objects.filter(experiment=experiment).select_related(
        "clip__video__dataset"
    )
    try:
        with transaction.atomic():
            PendingDeletion.objects.bulk_create(
                PendingDeletion(name=run.stored_name) for run in runs
            )
            record("delete comparison", experiment, dataset=experiment.dataset)
            experiment.delete()
    except ProtectedError as error:
        raise ExperimentError(
            _(
                "Annotators have tasks that start from this configuration, so it "
                "cannot be deleted."
            )
        ) from error


def _check(experiment: Experiment) -> None:
    entry = DETECTORS.get(experiment.detector)
    if entry is None:
        raise ExperimentError(
            _("There is no detector %(detector)r; choose one of %(list)s.")
            % {"detector": experiment.detector, "list": list(DETECTORS)}
        )
    if entry.needs_weights and not experiment.weights:
        raise ExperimentError(
            _("The detector %(detector)s needs the name of a file.")
            % {"detector": experiment.detector}
        )
    if experiment.keep_ids and not entry.has_ids:
        raise ExperimentError(_("Only imported boxes have ids that can be kept."))
    unknown = sorted(set(experiment.tracker) - set(CHANGEABLE))
    if unknown:
        raise ExperimentError(
            _("The tracker has no parameter %(unknown)r; it has %(list)s.")
            % {"unknown": unknown[0], "list": list(CHANGEABLE)}
        )
    for name, value in experiment.tracker.items():
        if not 0 <= value <= 60:
            raise ExperimentError(
                _("%(name)s is %(value)g; it must be from 0 to 60.")
                % {"name": name, "value": value}
            )
    try:
        experiment.clean_fields(exclude=["dataset"])
    except ValidationError as error:
        raise ExperimentError("; ".join(error.messages)) from error
