"""Forms for new datasets, uploads and deletion."""

import zipfile
from pathlib import Path, PurePosixPath
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat
from django.utils.module_loading import import_string

from datasets.core.formats.bundle_manifest import FILES, is_bundle
from datasets.core.media.clips_and_keyframes import MAX_CLIP_SECONDS, MIN_CLIP_SECONDS
from datasets.core.roles import Act
from datasets.core.untrusted import MAX_YAML_BYTES
from datasets.core.vocabulary import MAX_ACTIONS, VocabularyError, parse_pbtxt, parse_yaml
from datasets.models import ActionGroup, Dataset

OWN = "own"
VOCABULARIES = [
    ("ava-v2.2", "AVA v2.2: 80 actions in 3 groups"),
    ("street", "Street: 8 groups for people in public places"),
    (OWN, "Custom vocabulary (paste below)"),
]
SETTINGS = ("description", *Dataset.SETTINGS)


def clean_weights_name(text: str) -> str:
    """A file name inside the weights folder: a page must not open other files of the server.

    Raises ValidationError for a path outside it.
    """
    weights = text.strip()
    path = PurePosixPath(weights.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in weights:
        raise forms.ValidationError(
            "Enter the name of a file in the weights folder (AVA_WEIGHTS_DIR), not a path."
        )
    return weights


QUALITIES = {"rfdetr-nano": "Fast", "rfdetr-medium": "Balanced", "rfdetr-large": "Best"}


def _detector_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """The detectors by how good they are, then the others."""
    labels = {name: one.label for name, one in import_string(settings.DETECTORS).items()}
    named = [(name, f"{word} ({labels[name]})") for name, word in QUALITIES.items()
             if name in labels]  # fmt: skip
    others = [(name, label) for name, label in labels.items() if name not in QUALITIES]
    return [group for group in (("Quality", named), ("Other detectors", others)) if group[1]]


def detectors_with_weights() -> list[str]:
    """Detectors that may be given a file; the others are their own."""
    return [name for name in import_string(settings.DETECTORS) if name not in QUALITIES]


class DescriptionForm(forms.ModelForm):
    """What can be changed of a dataset on its page of settings."""

    class Meta:
        model = Dataset
        fields = ("description",)
        widgets = {"description": forms.Textarea(attrs={"rows": 3})}


class DatasetForm(forms.ModelForm):
    """A new dataset: name, vocabulary and pipeline settings."""

    vocabulary = forms.ChoiceField(choices=VOCABULARIES, initial="ava-v2.2")
    vocabulary_text = forms.CharField(
        label="Custom vocabulary",
        required=False,
        max_length=MAX_YAML_BYTES,
        widget=forms.Textarea(attrs={"class": "code", "spellcheck": "false"}),
        help_text="YAML with groups and actions, or an AVA action list (pbtxt). "
        "Action ids run from 1 without gaps, at most 80.",
    )
    detector = forms.ChoiceField(choices=_detector_choices, initial="rfdetr-medium")
    videos_of = forms.ModelChoiceField(
        label="Copy videos from",
        queryset=Dataset.objects.none(),
        to_field_name="name",
        required=False,
        empty_label="No other dataset",
        help_text="They are cut again with these settings. That dataset does not change.",
    )

    def __init__(self, *args: Any, user: User | AnonymousUser, **options: Any) -> None:
        super().__init__(*args, **options)
        videos_of = cast(forms.ModelChoiceField, self.fields["videos_of"])
        videos_of.queryset = Dataset.objects.permitting(user, Act.UPLOAD)

    class Meta:
        model = Dataset
        fields = ["name", *SETTINGS]
        widgets = {"description": forms.Textarea(attrs={"rows": 2})}
        labels = {
            "longest_side": "Longest side, pixels",
            "clip_seconds": "Clip length, seconds",
            "annotation_fps": "Annotation frames",
            "frame_stride": "Detect every n-th frame",
            "keep_truncated": "Accept truncated videos",
        }
        error_messages = {
            "name": {"invalid": "Letters, digits and hyphens only, for example corner-shop."},
        }
        help_texts = {
            "name": "Lowercase letters, digits and hyphens. Can't be changed later.",
            "threshold": "0 to 1. Lower finds more people and more false boxes.",
            "weights": "Name of a file in the server's weights folder. Empty: default weights.",
            "longest_side": "Larger videos are scaled down, small ones are not enlarged.",
            "clip_seconds": f"{MIN_CLIP_SECONDS} to {MAX_CLIP_SECONDS}. "
            "One clip is one task for an annotator.",
            "annotation_fps": "Frames that annotators see; they always include the keyframes.",
            "frame_stride": "1 = every frame. The tracker interpolates the rest.",
            "keep_truncated": "Uses the readable part and warns you.",
        }

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"].lower()
        if Dataset.objects.filter(name=name).exists():
            raise forms.ValidationError(
                f"A dataset named {name} already exists; choose another name."
            )
        return name

    def clean_weights(self) -> str:
        return clean_weights_name(self.cleaned_data["weights"])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        detector = import_string(settings.DETECTORS).get(cleaned.get("detector"))
        if detector and detector.needs_weights and cleaned.get("weights") == "":
            self.add_error("weights", "This detector needs a weights file.")
        self._check_weights(cleaned.get("weights", ""))
        if cleaned.get("vocabulary") == OWN:
            self._check_vocabulary(cleaned.get("vocabulary_text", ""))
        return cleaned

    def _check_weights(self, weights: str) -> None:
        """Refuse a missing file, with which every clip would fail."""
        folder = Path(settings.WEIGHTS_DIR)
        if weights and folder.is_dir() and not (folder / weights).exists():
            self.add_error(
                "weights",
                f"There is no {weights} in {folder}. Put the file there, or upload it on the "
                "page Detector files.",
            )

    def _check_vocabulary(self, text: str) -> None:
        if not text.strip():
            self.add_error("vocabulary_text", "Paste the vocabulary, or choose one above.")
            return
        try:
            (parse_pbtxt if self.is_pbtxt else parse_yaml)(text)
        except VocabularyError as error:
            self.add_error("vocabulary_text", f"Invalid vocabulary: {error}")

    @property
    def is_pbtxt(self) -> bool:
        """Whether the pasted vocabulary is an AVA action list rather than YAML."""
        first = self.cleaned_data.get("vocabulary_text", "").lstrip()
        return first.startswith(("item", "label", "#")) and "{" in first.split("\n", 1)[0]

    def settings(self) -> dict[str, Any]:
        """The values to create the dataset with."""
        return {name: self.cleaned_data[name] for name in SETTINGS}


class GroupForm(forms.ModelForm):
    """One action group of the vocabulary page; its fields are named by a prefix, the key."""

    name = forms.CharField(max_length=50)
    required = forms.BooleanField(required=False)
    added = forms.CharField(
        label="Add actions",
        required=False,
        max_length=MAX_YAML_BYTES,
        widget=forms.Textarea(attrs={"rows": 1, "spellcheck": "false"}),
        help_text="One a line.",
    )

    class Meta:
        model = ActionGroup
        fields = ["name", "choice", "max_per_person", "required", "scope", "label_type"]
        labels = {"max_per_person": "At most", "scope": "Asked", "label_type": "AVA label type"}

    def __init__(self, *args: Any, is_fixed: bool = False, **options: Any) -> None:
        """`is_fixed`: tasks are assigned, so what changes the meaning of answers is locked."""
        super().__init__(*args, **options)
        most = self.fields["max_per_person"]
        most.widget.attrs |= {"min": "1", "max": str(MAX_ACTIONS)}
        if is_fixed:
            locked = ["name", "choice", "scope", "label_type"]
            for name in [*locked, *(() if self.instance.required else ("required",))]:
                self.fields[name].disabled = True
            most.widget.attrs["min"] = str(self.instance.max_per_person)

    def added_names(self) -> list[str]:
        """The names of the new actions."""
        lines = self.cleaned_data["added"].splitlines()
        return [line.strip() for line in lines if line.strip()]

    def validate_unique(self) -> None:
        """The whole vocabulary is checked at once, as two groups may swap their names."""


class FilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """One or several files; always a list of them."""

    widget = FilesInput

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile]:
        files = data if isinstance(data, list) else [data]
        return [super(FilesField, self).clean(file, initial) for file in files or [None]]


class UploadForm(forms.Form):
    """A zip of videos or of a bundle, or the files of a bundle."""

    file = FilesField(
        label="Videos, a zip of them, or the files of a bundle",
        widget=FilesInput(
            attrs={"accept": ".zip,.pkl,.json,application/zip,video/*,.mkv,.mts,.m2ts,.mxf"}
        ),
    )

    def clean_file(self) -> list[UploadedFile]:
        files: list[UploadedFile] = self.cleaned_data["file"]
        names = [file.name or "" for file in files]
        if len(files) == 1:
            return [self._zip(files[0])]
        if not is_bundle(names) or not set(names) <= set(FILES):
            raise forms.ValidationError(
                "Several files must be those of one bundle: frames.zip with manifest.json or "
                "dense_proposals.pkl, and the rest of the bundle. Pack videos into one zip."
            )
        return files

    def _zip(self, file: UploadedFile) -> UploadedFile:
        if (file.size or 0) > settings.MAX_ZIP_BYTES:
            raise forms.ValidationError(
                f"{file.name} is {filesizeformat(file.size or 0)}; at most "
                f"{filesizeformat(settings.MAX_ZIP_BYTES)} are allowed. Split it into parts."
            )
        if not zipfile.is_zipfile(file):
            raise forms.ValidationError(
                f"{file.name} is not a zip, or it is truncated. Pack the videos into a zip."
            )
        file.seek(0)
        return file


class DeleteForm(forms.Form):
    """Confirms a deletion by typing the name."""

    name = forms.CharField(label="Type the name to confirm")

    def __init__(self, *args: Any, expected: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.expected = expected
        self.fields["name"].widget.attrs |= {"autocomplete": "off", "spellcheck": "false"}

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name != self.expected:
            raise forms.ValidationError(f"This is not {self.expected}; nothing was deleted.")
        return name
