"""Tracking configurations: the settings that clips are tracked with, and their keys.

A dataset has its own settings, and experiments beside them; one of these may be active. The
planner keeps each as a row with the hash of its weights, so that all machines plan the same,
and a machine with another file of that name refuses to run it.
"""

from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from django.utils.translation import gettext as _

from datasets.models import Dataset
from tracking.core.sort import VERSION, TrackerParameters
from tracking.core.tracks_file import PERSON
from tracking.detectors.appearance_models import HISTOGRAM
from tracking.detectors.registry import DETECTORS, DetectorError, weights_hash, weights_path
from tracking.models import Experiment, TrackingConfig

KEY_LENGTH = 120

Settings = Dataset | Experiment


class WantedConfig(NamedTuple):
    """A configuration that the clips of a dataset are to be tracked with."""

    dataset: int
    experiment: int | None
    is_active: bool
    row: TrackingConfig

    @property
    def config_key(self) -> str:
        return self.row.config_key


def active_settings(dataset: Dataset) -> Settings:
    """What `dataset` is tracked with: the active experiment, or its own settings."""
    return dataset.experiments.filter(is_active=True).first() or dataset


def tracker_parameters(settings: Settings) -> TrackerParameters:
    """The parameters of the tracker, with the scores for the threshold of `settings`."""
    changes = settings.tracker if isinstance(settings, Experiment) else {}
    return TrackerParameters.for_threshold(settings.threshold, **changes)


def appearance_of(settings: Settings) -> str:
    """How people are told apart by their looks; an experiment does it as its dataset."""
    dataset = settings.dataset if isinstance(settings, Experiment) else settings
    return dataset.appearance


def classes_of(settings: Settings) -> list[str]:
    """What is followed; an experiment follows the same as its dataset."""
    dataset = settings.dataset if isinstance(settings, Experiment) else settings
    return dataset.class_names


def followed_classes(settings: Settings) -> dict[str, list[str]]:
    """What a run says of itself: its classes, unless all are persons."""
    names = classes_of(settings)
    return {} if names == [PERSON] else {"classes": names}


def keeps_ids(settings: Settings) -> bool:
    """Whether the ids of imported boxes are the tracks; the tracker does nothing then."""
    entry = DETECTORS.get(settings.detector)
    return settings.keep_ids and entry is not None and entry.has_ids


def config_key_of(settings: Settings) -> str:
    """The settings in one short line; the same key gives the same result.

    Detector, name and first hash digits of the weights (or the folder of detections),
    threshold, stride, tracker, and the tracker parameters that differ from the defaults; of
    kept ids none of these, since they change nothing.
    """
    row = _row_of(settings)
    return row.config_key if row else _key(settings, _local_hash(settings))


def check_weights(settings: Settings) -> None:
    """Raises DetectorError if the weights here are not those that the configuration means.

    The first machine that has the file decides which those are.
    """
    row, digest = _row_of(settings), _local_hash(settings)
    if row is None or not digest:
        return  # a missing file is reported by its detector
    if not row.weights_sha256:
        same = TrackingConfig.objects.filter(pk=row.pk)
        same.filter(weights_sha256="").update(weights_sha256=digest)
        row.refresh_from_db()
    if row.weights_sha256 != digest:
        raise DetectorError(
            _(
                "%(weights_path)s on this machine (SHA-256 %(digest)s) is not what this "
                "configuration started with (%(weights_sha256)s). Copy that file here, or "
                "press Read weights again on the page Tracking to use the new one."
            )
            % {
                "weights_path": weights_path(settings.weights),
                "digest": digest[:8],
                "weights_sha256": row.weights_sha256[:8],
            }
        )


def read_weights_again(dataset: Dataset) -> None:
    """Let the weights of `dataset` be those that the next planner finds."""
    dataset.tracking_configs.exclude(weights_sha256="").delete()


def wanted_configs() -> list[WantedConfig]:
    """What the clips of every dataset are to be tracked with; new ones get their row.

    The active configuration of each dataset, then the experiments that are not in use.
    """
    fields = ("detector", "weights", "threshold", "frame_stride", "keep_ids", "appearance",
              "classes")  # fmt: skip
    datasets = {one.pk: one for one in Dataset.objects.only(*fields).order_by()}
    experiments = list(Experiment.objects.select_related("dataset").order_by("pk"))
    active: dict[int, Settings] = datasets | {
        one.dataset_id: one for one in experiments if one.is_active
    }
    others = [one for one in experiments if not one.is_active]
    rows = _rows([*active.values(), *others])
    return [
        WantedConfig(dataset, _experiment(one), True, rows[dataset, _key(one)])
        for dataset, one in active.items()
    ] + [
        WantedConfig(one.dataset_id, one.pk, False, rows[one.dataset_id, _key(one)])
        for one in others
    ]


def _rows(wanted: list[Settings]) -> dict[tuple[int, str], TrackingConfig]:
    """The row of each, by dataset and settings; missing ones are created."""
    known = _known_rows()
    new = [
        TrackingConfig(
            dataset_id=_dataset(one), settings_key=_key(one),
            weights_sha256=(digest := _local_hash(one)), config_key=_key(one, digest),
        )
        for one in wanted
        if (_dataset(one), _key(one)) not in known
    ]  # fmt: skip
    if not new:
        return known
    TrackingConfig.objects.bulk_create(new, ignore_conflicts=True)
    return _known_rows()


def _known_rows() -> dict[tuple[int, str], TrackingConfig]:
    rows = TrackingConfig.objects.order_by()
    return {(row.dataset_id, row.settings_key): row for row in rows}


def _row_of(settings: Settings) -> TrackingConfig | None:
    rows = TrackingConfig.objects.filter(dataset=_dataset(settings))
    return rows.filter(settings_key=_key(settings)).first()


def _dataset(settings: Settings) -> int:
    return settings.dataset_id if isinstance(settings, Experiment) else settings.pk


def _experiment(settings: Settings) -> int | None:
    return settings.pk if isinstance(settings, Experiment) else None


def _local_hash(settings: Settings) -> str:
    """The SHA-256 of the weights on this machine; empty if there are none to be read."""
    path = weights_path(settings.weights)
    return weights_hash(path) if path else ""


def _key(settings: Settings, digest: str = "") -> str:
    parts = [settings.detector]
    if path := weights_path(settings.weights):
        parts.append(path.name[-40:] + (f"#{digest[:8]}" if digest else ""))
    if keeps_ids(settings):
        parts.append("ids")
    else:
        parts += [f"t{settings.threshold:g}", f"s{settings.frame_stride}", VERSION]
    if settings.detector != "imported" and (appearance := appearance_of(settings)):
        parts.append("looks" if appearance == HISTOGRAM else Path(appearance).name[-30:])
    if (names := classes_of(settings)) != [PERSON]:
        parts.append("+".join(name.replace(" ", "-") for name in names))
    if isinstance(settings, Experiment) and not keeps_ids(settings):
        parts += [f"{name}={value:g}" for name, value in sorted(settings.tracker.items())]
    key = " ".join(parts)
    if len(key) <= KEY_LENGTH:
        return key
    return f"{key[: KEY_LENGTH - 13]} {sha256(key.encode()).hexdigest()[:12]}"
