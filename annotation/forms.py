"""What people type about tasks and answers, checked."""

import re
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.core.validators import validate_slug

MAX_FILES = 500


class PlanForm(forms.Form):
    """Who annotates, and how many clips go to more than one annotator."""

    annotators = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text="Their user names in CVAT, separated by commas, spaces or lines.",
    )
    overlap = forms.IntegerField(
        label="Overlap, percent of the clips",
        initial=30,
        min_value=0,
        max_value=100,
        help_text="This share goes to several annotators, so that agreement can be measured.",
    )
    per_clip = forms.IntegerField(
        label="Annotators of a shared clip",
        required=False,
        min_value=2,
        help_text="Empty: all of them.",
    )
    seed = forms.IntegerField(
        initial=0, min_value=0, help_text="The same number shares the clips out the same way."
    )

    def clean_annotators(self) -> list[str]:
        names = [one for one in re.split(r"[\s,;]+", self.cleaned_data["annotators"]) if one]
        for name in names:
            try:
                validate_slug(name)
            except forms.ValidationError as error:
                raise forms.ValidationError(
                    f"{name} is no user name: letters, digits, hyphens and underscores only."
                ) from error
        if not names:
            raise forms.ValidationError("Name at least one annotator.")
        return list(dict.fromkeys(names))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        names, per_clip = cleaned.get("annotators", []), cleaned.get("per_clip")
        if names and per_clip and per_clip > len(names):
            self.add_error("per_clip", f"There are only {len(names)} annotators.")
        return cleaned


class ManyFilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class ManyFilesField(forms.FileField):
    """One or more files; cleans to a list."""

    widget = ManyFilesInput

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile]:  # type: ignore[override]
        files = data if isinstance(data, list | tuple) and data else [data or None]
        if len(files) > MAX_FILES:
            raise forms.ValidationError(f"At most {MAX_FILES} files at once.")
        return [super(ManyFilesField, self).clean(file, initial) for file in files]


class AnswersForm(forms.Form):
    """Answer files; for one task any name will do, for many each is <clip>--<annotator>."""

    answers = ManyFilesField(
        label="Answer files",
        widget=ManyFilesInput(attrs={"accept": ".xml,.zip"}),
    )

    def clean_answers(self) -> list[UploadedFile]:
        files: list[UploadedFile] = self.cleaned_data["answers"]
        for file in files:
            if not (file.name or "").lower().endswith((".xml", ".zip")):
                raise forms.ValidationError(
                    f"{file.name} is no answer file: export from CVAT as "
                    '"CVAT for video 1.1" and send the zip or the XML in it.'
                )
        return files
