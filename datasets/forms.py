"""What people type about datasets and uploads, checked."""

import zipfile
from pathlib import PurePosixPath
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat

from datasets.core.media.clips_and_keyframes import LONGEST_CLIP_SECONDS, SHORTEST_CLIP_SECONDS
from datasets.core.formats.bundle_manifest import FILES, is_bundle
from datasets.core.vocabulary import VocabularyError, parse_pbtxt, parse_yaml
from datasets.models import Dataset

OWN = "own"
VOCABULARIES = [
    ("ava-v2.2", "AVA v2.2: 80 actions in 3 groups"),
    ("street", "Street: 8 groups for people in public places"),
    (OWN, "My own, pasted below"),
]
DETECTORS = [
    ("rfdetr-nano", "RF-DETR nano: fastest"),
    ("rfdetr-small", "RF-DETR small"),
    ("rfdetr-medium", "RF-DETR medium: recommended"),
    ("rfdetr-large", "RF-DETR large: most accurate"),
    ("rfdetr-file", "RF-DETR checkpoint of one's own"),
    ("onnx", "ONNX file: RF-DETR export or YOLOX"),
    ("imported", "Boxes brought along: MOT text or JSON"),
]
NEED_WEIGHTS = ("rfdetr-file", "onnx", "imported")
SETTINGS = ("description", *Dataset.SETTINGS)


def name_of_weights(text: str) -> str:
    """A name inside the weights folder: a page must not open any file of the server.

    Raises ValidationError if it is a path that leads elsewhere.
    """
    weights = text.strip()
    path = PurePosixPath(weights.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in weights:
        raise forms.ValidationError(
            "Give the name of a file in the weights folder (AVA_WEIGHTS_DIR), not a path."
        )
    return weights


class DatasetForm(forms.ModelForm):
    """A new dataset: its name, its vocabulary and how its videos are worked on."""

    vocabulary = forms.ChoiceField(choices=VOCABULARIES, initial="ava-v2.2")
    vocabulary_text = forms.CharField(
        label="Vocabulary of one's own",
        required=False,
        widget=forms.Textarea(attrs={"class": "code", "spellcheck": "false"}),
        help_text="YAML with groups and actions, or an AVA action list (pbtxt). "
        "Action ids run from 1 without gaps, at most 80.",
    )
    detector = forms.ChoiceField(choices=DETECTORS, initial="rfdetr-medium")
    videos_of = forms.ModelChoiceField(
        label="Start with the videos of",
        queryset=Dataset.objects.none(),
        to_field_name="name",
        required=False,
        empty_label="No other dataset",
        help_text="Cut again with the settings here. That dataset stays as it is.",
    )

    def __init__(self, *args: Any, run_by: User | AnonymousUser, **options: Any) -> None:
        super().__init__(*args, **options)
        videos_of = cast(forms.ModelChoiceField, self.fields["videos_of"])
        videos_of.queryset = Dataset.objects.run_by(run_by)

    class Meta:
        model = Dataset
        fields = ["name", *SETTINGS]
        widgets = {"description": forms.Textarea(attrs={"rows": 2})}
        labels = {
            "longest_side": "Longest side, pixels",
            "clip_seconds": "Length of a clip, seconds",
            "annotation_fps": "Annotation frames",
            "frame_stride": "Look at every n-th frame",
            "keep_truncated": "Keep videos that were cut off",
        }
        error_messages = {
            "name": {"invalid": "Letters, digits and hyphens only, for example corner-shop."},
        }
        help_texts = {
            "name": "Small letters, digits and hyphens. It becomes part of the address.",
            "threshold": "0 to 1. Lower finds more people and more false boxes.",
            "weights": "Name of a file in the server's weights folder. Empty: the vendor's.",
            "longest_side": "Larger videos are made smaller, small ones are left alone.",
            "clip_seconds": f"{SHORTEST_CLIP_SECONDS} to {LONGEST_CLIP_SECONDS}. "
            "One clip is one task for an annotator.",
            "annotation_fps": "Frames that annotators see; keyframes are always among them.",
            "frame_stride": "1 looks at every frame; the tracker fills the gaps.",
            "keep_truncated": "Their good part is used, with a warning; otherwise they fail.",
        }

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"].lower()
        if Dataset.objects.filter(name=name).exists():
            raise forms.ValidationError(
                f"There is a dataset {name} already; take another name."
            )
        return name

    def clean_weights(self) -> str:
        return name_of_weights(self.cleaned_data["weights"])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("detector") in NEED_WEIGHTS and cleaned.get("weights") == "":
            self.add_error("weights", "This detector needs the name of a file.")
        if cleaned.get("vocabulary") == OWN:
            self._check_vocabulary(cleaned.get("vocabulary_text", ""))
        return cleaned

    def _check_vocabulary(self, text: str) -> None:
        if not text.strip():
            self.add_error("vocabulary_text", "Paste the vocabulary, or choose one above.")
            return
        try:
            (parse_pbtxt if self.is_pbtxt else parse_yaml)(text)
        except VocabularyError as error:
            self.add_error("vocabulary_text", f"This is not a vocabulary: {error}")

    @property
    def is_pbtxt(self) -> bool:
        """Whether the pasted vocabulary is an AVA action list rather than YAML."""
        first = self.cleaned_data.get("vocabulary_text", "").lstrip()
        return first.startswith(("item", "label", "#")) and "{" in first.split("\n", 1)[0]

    def settings(self) -> dict[str, Any]:
        """The values to create the dataset with."""
        return {name: self.cleaned_data[name] for name in SETTINGS}


class FilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """One or several files; always a list of them."""

    widget = FilesInput

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile]:
        files = data if isinstance(data, list) else [data]
        return [super(FilesField, self).clean(file, initial) for file in files or [None]]


class UploadForm(forms.Form):
    """One zip, of videos or of a bundle, or the files of a bundle side by side."""

    file = FilesField(
        label="Zip of videos, or the files of a bundle",
        widget=FilesInput(attrs={"accept": ".zip,.pkl,.json,application/zip"}),
    )

    def clean_file(self) -> list[UploadedFile]:
        files: list[UploadedFile] = self.cleaned_data["file"]
        names = [file.name or "" for file in files]
        if len(files) == 1:
            return [self._zip(files[0])]
        if not is_bundle(names) or not set(names) <= set(FILES):
            raise forms.ValidationError(
                "Several files at once must be those of one bundle: frames.zip with "
                "manifest.json or dense_proposals.pkl, and what lies beside them. Pack videos "
                "into one zip."
            )
        return files

    def _zip(self, file: UploadedFile) -> UploadedFile:
        if (file.size or 0) > settings.MAX_ZIP_BYTES:
            raise forms.ValidationError(
                f"{file.name} is {filesizeformat(file.size or 0)}; at most "
                f"{filesizeformat(settings.MAX_ZIP_BYTES)} are taken. Send it in parts."
            )
        if not zipfile.is_zipfile(file):
            raise forms.ValidationError(
                f"{file.name} is not a zip, or it was cut off. Pack the videos into a zip."
            )
        file.seek(0)
        return file


class DeleteForm(forms.Form):
    """The name of what is to be deleted, typed once more."""

    name = forms.CharField(label="Type its name to delete it")

    def __init__(self, *args: Any, wanted: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.wanted = wanted
        self.fields["name"].widget.attrs |= {"autocomplete": "off", "spellcheck": "false"}

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name != self.wanted:
            raise forms.ValidationError(f"That is not {self.wanted}; nothing was deleted.")
        return name
