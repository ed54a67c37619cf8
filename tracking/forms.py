"""What people type to have a dataset tracked in another way."""

from typing import Any

from django import forms

from datasets.forms import name_of_weights
from tracking.detectors.registry import MODULES
from tracking.services.experiments import NUMBERS


class ExperimentForm(forms.Form):
    """A experiment: detector, threshold, stride, and the numbers of the tracker that matter most."""

    detector = forms.ChoiceField(choices=[(name, name) for name in MODULES])
    weights = forms.CharField(
        required=False,
        max_length=500,
        help_text="Name of a file in the server's weights folder. Empty: the vendor's.",
    )
    threshold = forms.FloatField(
        min_value=0, max_value=1, help_text="0 to 1. Lower finds more people and false boxes."
    )
    frame_stride = forms.IntegerField(
        label="Look at every n-th frame", min_value=1, max_value=30, initial=1
    )
    memory = forms.FloatField(
        label="Memory, seconds", required=False, min_value=0, max_value=60,
        help_text="How long somebody unseen is waited for. Empty: as tuned.",
    )  # fmt: skip
    shortest = forms.FloatField(
        label="Shortest track, seconds", required=False, min_value=0, max_value=60,
        help_text="Shorter ones are nobody. Empty: as tuned.",
    )  # fmt: skip

    def clean_weights(self) -> str:
        """The dataset's own may stay, wherever an operator put them."""
        weights: str = self.cleaned_data["weights"]
        return weights if weights == self.initial.get("weights") else name_of_weights(weights)

    def way(self) -> dict[str, Any]:
        """The arguments of `start_experiment`."""
        cleaned = self.cleaned_data
        tracker = {name: cleaned[name] for name in NUMBERS if cleaned.get(name) is not None}
        names = ("detector", "weights", "threshold", "frame_stride")
        return {name: cleaned[name] for name in names} | {"tracker": tracker}
