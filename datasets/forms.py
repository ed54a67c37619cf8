"""Forms for new datasets, uploads and deletion."""

import zipfile
from pathlib import Path, PurePosixPath
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.core.files.uploadedfile import UploadedFile
from django.utils.module_loading import import_string
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from datasets.core.formats.bundle_manifest import FILES, is_bundle
from datasets.core.media.clips_and_keyframes import MAX_CLIP_SECONDS, MIN_CLIP_SECONDS
from datasets.core.roles import Act
from datasets.core.sizes import size_text
from datasets.core.untrusted import MAX_YAML_BYTES
from datasets.core.vocabulary import MAX_CHOSEN, VocabularyError
from datasets.core.vocabulary_lists import parse_vocabulary
from datasets.models import ActionGroup, Dataset

OWN = "own"
VOCABULARIES = [
    ("ava-v2.2", _("AVA v2.2: 80 actions in 3 groups")),
    ("street", _("Street: 8 groups for people in public places")),
    (OWN, _("Custom vocabulary (paste below)")),
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
            _("Enter the name of a file in the weights folder (AVA_WEIGHTS_DIR), not a path.")
        )
    return weights


QUALITIES = {
    "rfdetr-nano": _("Fast"),
    "rfdetr-medium": _("Balanced"),
    "rfdetr-large": _("Best"),
}


def _detector_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """The detectors by how good they are, then the others."""
    labels = {name: one.label for name, one in import_string(settings.DETECTORS).items()}
    named = [(name, f"{word} ({labels[name]})") for name, word in QUALITIES.items()
             if name in labels]  # fmt: skip
    others = [(name, label) for name, label in labels.items() if name not in QUALITIES]
    groups = [(str(_("Quality")), named), (str(_("Other detectors")), others)]
    return [group for group in groups if group[1]]


def detectors_with_ids() -> list[str]:
    """Detectors whose boxes may have ids that a dataset can keep."""
    return [name for name, one in import_string(settings.DETECTORS).items() if one.has_ids]


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
        label=_("Custom vocabulary"),
        required=False,
        max_length=MAX_YAML_BYTES,
        widget=forms.Textarea(attrs={"class": "code", "spellcheck": "false"}),
        help_text=_(
            "YAML with groups and actions, an action list (pbtxt), a label_map.txt or "
            "the label JSON of CVAT. Ids (1 to 32767) are kept, gaps too; SlowFast stops "
            "above 80."
        ),
    )
    detector = forms.ChoiceField(choices=_detector_choices, initial="rfdetr-medium")
    videos_of = forms.ModelChoiceField(
        label=_("Copy videos from"),
        queryset=Dataset.objects.none(),
        to_field_name="name",
        required=False,
        empty_label=_("No other dataset"),
        help_text=_("They are cut again with these settings. That dataset does not change."),
    )

    def __init__(self, *args: Any, user: User | AnonymousUser, **options: Any) -> None:
        super().__init__(*args, **options)
        videos_of = cast(forms.ModelChoiceField, self.fields["videos_of"])
        videos_of.queryset = Dataset.objects.permitting(user, Act.UPLOAD)

    class Meta:
        model = Dataset
        fields = ["name", *SETTINGS]
        widgets = {
            "name": forms.TextInput(attrs={"autofocus": True}),
            "description": forms.Textarea(attrs={"rows": 2}),
        }
        labels = {
            "longest_side": _("Longest side, pixels"),
            "clip_seconds": _("Clip length, seconds"),
            "annotation_fps": _("Annotation frames"),
            "frame_stride": _("Detect every n-th frame"),
            "keep_truncated": _("Accept truncated videos"),
            "keep_ids": _("Keep the ids of the file"),
            "appearance": _("Tell people apart by their looks"),
            "classes": _("What is followed"),
        }
        error_messages = {
            "name": {
                "invalid": _("Letters, digits and hyphens only, for example corner-shop.")
            },
        }
        help_texts = {
            "name": _("Lowercase letters, digits and hyphens. Can't be changed later."),
            "threshold": _("0 to 1. Lower finds more people and more false boxes."),
            "weights": _(
                "Name of a file in the server's weights folder. Empty: default weights."
            ),
            "longest_side": _("Larger videos are scaled down, small ones are not enlarged."),
            "clip_seconds": format_lazy(
                _("{least} to {most}. One clip is one task for an annotator."),
                least=MIN_CLIP_SECONDS,
                most=MAX_CLIP_SECONDS,
            ),
            "annotation_fps": _(
                "Frames that annotators see; they always include the keyframes."
            ),
            "frame_stride": _("1 = every frame. The tracker interpolates the rest."),
            "keep_truncated": _("Uses the readable part and warns you."),
            "keep_ids": _(
                "The boxes are tracked already: each id is a track, and nothing is changed. In "
                "a file for a video, an id is the same person in all its clips."
            ),
            "appearance": _(
                "histogram: by the colours of their clothes. Or the name of a "
                "re-identification model (ONNX) in the weights folder. Empty: not at all."
            ),
            "classes": _(
                "Separated by commas: person, vehicle, animal, or classes of the detector."
            ),
        }

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"].lower()
        if Dataset.objects.filter(name=name).exists():
            raise forms.ValidationError(
                _("A dataset named %(name)s already exists; choose another name.")
                % {"name": name}
            )
        return name

    def clean_appearance(self) -> str:
        if "appearance" not in self.data:
            return str(Dataset._meta.get_field("appearance").get_default())
        return clean_weights_name(self.cleaned_data["appearance"])

    def clean_classes(self) -> str:
        return ", ".join(Dataset(classes=self.cleaned_data["classes"]).class_names)

    def clean_weights(self) -> str:
        return clean_weights_name(self.cleaned_data["weights"])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        detector = import_string(settings.DETECTORS).get(cleaned.get("detector"))
        if detector and detector.needs_weights and cleaned.get("weights") == "":
            self.add_error("weights", _("This detector needs a weights file."))
        if detector and cleaned.get("keep_ids") and not detector.has_ids:
            self.add_error("keep_ids", _("Only imported boxes have ids that can be kept."))
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
                _(
                    "There is no %(weights)s in %(folder)s. Put the file there, or upload it "
                    "on the page Detector files."
                )
                % {"weights": weights, "folder": folder},
            )

    def _check_vocabulary(self, text: str) -> None:
        if not text.strip():
            self.add_error("vocabulary_text", _("Paste the vocabulary, or choose one above."))
            return
        try:
            parse_vocabulary(text)
        except VocabularyError as error:
            self.add_error(
                "vocabulary_text", _("Invalid vocabulary: %(error)s") % {"error": error}
            )

    def settings(self) -> dict[str, Any]:
        """The values to create the dataset with."""
        return {name: self.cleaned_data[name] for name in SETTINGS}

    def own_text(self) -> str | None:
        """The pasted vocabulary; None for a shipped one."""
        is_own = self.cleaned_data["vocabulary"] == OWN
        return self.cleaned_data["vocabulary_text"] if is_own else None


class GroupForm(forms.ModelForm):
    """One action group of the vocabulary page; its fields are named by a prefix, the key."""

    name = forms.CharField(max_length=50)
    required = forms.BooleanField(required=False)
    added = forms.CharField(
        label=_("Add actions"),
        required=False,
        max_length=MAX_YAML_BYTES,
        widget=forms.Textarea(attrs={"rows": 1, "spellcheck": "false"}),
        help_text=_("One a line."),
    )

    class Meta:
        model = ActionGroup
        fields = ["name", "choice", "max_per_person", "required", "scope", "label_type"]
        labels = {
            "max_per_person": _("At most"),
            "scope": _("Asked"),
            "label_type": _("AVA label type"),
        }

    def __init__(self, *args: Any, is_fixed: bool = False, **options: Any) -> None:
        """`is_fixed`: tasks are assigned, so what changes the meaning of answers is locked."""
        super().__init__(*args, **options)
        most = self.fields["max_per_person"]
        most.widget.attrs |= {"min": "1", "max": str(MAX_CHOSEN)}
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
        label=_("Videos, a zip of them, or the files of a bundle"),
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
                _(
                    "Several files must be those of one bundle: frames.zip with manifest.json "
                    "or dense_proposals.pkl, and the rest of the bundle. Pack videos into one "
                    "zip."
                )
            )
        return files

    def _zip(self, file: UploadedFile) -> UploadedFile:
        if (file.size or 0) > settings.MAX_ZIP_BYTES:
            raise forms.ValidationError(
                _("%(file)s is %(size)s; at most %(most)s are allowed. Split it into parts.")
                % {
                    "file": file.name,
                    "size": size_text(file.size or 0),
                    "most": size_text(settings.MAX_ZIP_BYTES),
                }
            )
        if not zipfile.is_zipfile(file):
            raise forms.ValidationError(
                _("%(file)s is not a zip, or it is truncated. Pack the videos into a zip.")
                % {"file": file.name}
            )
        file.seek(0)
        return file


class DeleteForm(forms.Form):
    """Confirms a deletion by typing the name."""

    name = forms.CharField(label=_("Type the name to confirm"))

    def __init__(self, *args: Any, expected: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.expected = expected
        self.fields["name"].widget.attrs |= {"autocomplete": "off", "spellcheck": "false"}

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name != self.expected:
            raise forms.ValidationError(
                _("This is not %(expected)s; nothing was deleted.")
                % {"expected": self.expected}
            )
        return name
