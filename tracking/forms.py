"""Form of an experiment: another tracking configuration of a dataset."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from datasets.forms import clean_weights_name
from tracking.detectors.registry import DETECTORS
from tracking.services.experiments import CHANGEABLE


class ExperimentForm(forms.Form):
    """Detector, threshold, stride, and the tracker parameters that matter most."""

    detector = forms.ChoiceField(choices=[(name, one.label) for name, one in DETECTORS.items()])
    weights = forms.CharField(
        required=False,
        max_length=500,
        help_text=_("File in the server's weights folder. Empty: the vendor's weights."),
    )
    threshold = forms.FloatField(
        min_value=0,
        max_value=1,
        help_text=_("0 to 1. Lower finds more people and false boxes."),
    )
    frame_stride = forms.IntegerField(
        label=_("Detect every n-th frame"), min_value=1, max_value=30, initial=1,
        help_text=_("1 = every frame. The tracker interpolates the rest."),
    )  # fmt: skip
    max_age_seconds = forms.FloatField(
        label=_("Maximum age, seconds"), required=False, min_value=0, max_value=60,
        help_text=_("How long a track survives without a detection. Empty: default."),
    )  # fmt: skip
    min_track_seconds = forms.FloatField(
        label=_("Minimum track length, seconds"), required=False, min_value=0, max_value=60,
        help_text=_("Shorter tracks are dropped. Empty: default."),
    )  # fmt: skip
    keep_ids = forms.BooleanField(
        label=_("Keep the ids of the file"), required=False,
        help_text=_("Of imported boxes: each id is a track, and nothing is changed."),
    )  # fmt: skip

    def clean_weights(self) -> str:
        """The dataset's own weights are allowed, wherever they are."""
        weights: str = self.cleaned_data["weights"]
        is_own = weights == self.initial.get("weights")
        return weights if is_own else clean_weights_name(weights)

    def arguments(self) -> dict[str, Any]:
        """Those of `start_experiment`."""
        cleaned = self.cleaned_data
        tracker = {name: cleaned[name] for name in CHANGEABLE if cleaned.get(name) is not None}
        names = ("detector", "weights", "threshold", "frame_stride", "keep_ids")
        return {name: cleaned[name] for name in names} | {"tracker": tracker}
