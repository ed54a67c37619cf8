"""Tracking configurations: the settings that clips are tracked with, and their keys.

A dataset has its own settings, and experiments beside them; one of these may be active.
"""

from collections.abc import Iterable
from typing import NamedTuple

from django.db.models import Case, CharField, Value, When

from datasets.models import Dataset
from tracking.core.sort import VERSION, TrackerParameters
from tracking.detectors.registry import weights_hash, weights_path
from tracking.models import Experiment

KEY_LENGTH = 120

Settings = Dataset | Experiment


class TrackingConfig(NamedTuple):
    """How the clips of one dataset are tracked."""

    dataset: int
    experiment: int | None
    config_key: str


def active_settings(dataset: Dataset) -> Settings:
    """What `dataset` is tracked with: the active experiment, or its own settings."""
    return dataset.experiments.filter(is_active=True).first() or dataset


def tracker_parameters(settings: Settings) -> TrackerParameters:
    """The parameters of the tracker, with the scores for the threshold of `settings`."""
    changes = settings.tracker if isinstance(settings, Experiment) else {}
    return TrackerParameters.for_threshold(settings.threshold, **changes)


def config_key_of(settings: Settings) -> str:
    """The settings in one short line; the same key gives the same result.

    Detector, name and first hash digits of the weights (or the folder of detections),
    threshold, stride, tracker, and the tracker parameters that differ from the defaults.
    """
    parts = [settings.detector]
    if path := weights_path(settings.weights):
        digest = weights_hash(path)  # empty if missing or not readable: its detector says so
        parts.append(path.name[-40:] + (f"#{digest[:8]}" if digest else ""))
    parts += [f"t{settings.threshold:g}", f"s{settings.frame_stride}", VERSION]
    if isinstance(settings, Experiment):
        parts += [f"{name}={value:g}" for name, value in sorted(settings.tracker.items())]
    return " ".join(parts)[:KEY_LENGTH]


def active_configs() -> list[TrackingConfig]:
    """The configuration in use of every dataset."""
    experiments = {one.dataset_id: one for one in Experiment.objects.filter(is_active=True)}
    return [
        _config(dataset.pk, experiments.get(dataset.pk, dataset))
        for dataset in Dataset.objects.all()
    ]


def experiment_configs() -> list[TrackingConfig]:
    """Those of the experiments that are not in use, oldest first."""
    experiments = Experiment.objects.filter(is_active=False).order_by("pk")
    return [_config(experiment.dataset_id, experiment) for experiment in experiments]


def config_keys_by(dataset: str, configs: Iterable[TrackingConfig]) -> Case:
    """An expression: the key in `configs` of the dataset at the lookup `dataset`."""
    whens = [When(**{dataset: one.dataset}, then=Value(one.config_key)) for one in configs]
    return Case(*whens, default=Value(""), output_field=CharField())


def _config(dataset: int, settings: Settings) -> TrackingConfig:
    experiment = settings.pk if isinstance(settings, Experiment) else None
    return TrackingConfig(dataset, experiment, config_key_of(settings))
