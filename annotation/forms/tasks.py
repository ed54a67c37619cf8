"""What people type about tasks and answers, checked."""

import re
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.forms.models import model_to_dict

from annotation.core.draft import Wishes
from annotation.core.forecast import PACE
from annotation.models import Plan, check_user_name
from datasets.forms import FilesField, FilesInput
from datasets.models import Dataset

MAX_FILES = 500
MAX_ANNOTATORS = 100
SHARES = ("overlap", "blind", "gold")


class PlanForm(forms.Form):
    """Who annotates, how much of it is done by several, and what is mixed in."""

    annotators = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        help_text="User names in CVAT, separated by commas, spaces or lines. Hours may follow: "
        "kim: 20 is given work for 20 hours at most. Who is not named gets nothing new.",
    )
    overlap = forms.IntegerField(
        label="Overlap, percent of the clips",
        initial=30,
        min_value=0,
        max_value=100,
        help_text="This share goes to several annotators, so that agreement can be measured. "
        "100: every clip.",
    )
    per_clip = forms.IntegerField(
        label="Annotators of a shared clip",
        required=False,
        min_value=2,
        help_text="2, 3 or more. Empty: all of them.",
    )
    seed = forms.IntegerField(
        initial=0, min_value=0, max_value=2**31 - 1,
        help_text="The same number shares the clips out the same way.",
    )  # fmt: skip
    blind = forms.IntegerField(
        label="Blind share, percent",
        initial=0, min_value=0, max_value=100, required=False,
        help_text="Clips given without boxes: they show how far the boxes lead people.",
    )  # fmt: skip
    gold = forms.IntegerField(
        label="Gold clips, percent",
        initial=0, min_value=0, max_value=100, required=False,
        help_text="Clips with known answers, mixed in on top of everybody's own.",
    )  # fmt: skip
    pace = forms.FloatField(
        label="Pace, seconds",
        initial=PACE, min_value=0.1, max_value=3600, required=False,
        help_text="Work on one person in one second of footage. Time a pilot to know it.",
    )  # fmt: skip

    @classmethod
    def of(cls, dataset: Dataset) -> dict[str, Any]:
        """What the form begins with: the wishes of last time."""
        people = dataset.annotators.filter(is_active=True)
        named = {
            "annotators": "\n".join(
                person.name
                if person.capacity is None
                else f"{person.name}: {person.capacity:g}"
                for person in people
            )
        }
        plan = Plan.objects.filter(dataset=dataset).first()
        if plan is None:
            return named
        shares = {name: round(100 * getattr(plan, name)) for name in SHARES}
        return named | shares | model_to_dict(plan, ["per_clip", "seed", "pace"])

    def clean_annotators(self) -> dict[str, float | None]:
        """Hours by name; None for who has no limit."""
        text = re.sub(r"\s*:\s*", ":", self.cleaned_data["annotators"])
        found: dict[str, float | None] = {}
        for one in re.split(r"[\s,;]+", text.strip(" \t\r\n,;")):
            name, _, hours = one.partition(":")
            if name:
                found[_user_name(name)] = _hours(name, hours)
        if not found:
            raise forms.ValidationError("Name at least one annotator.")
        if len(found) > MAX_ANNOTATORS:
            raise forms.ValidationError(
                f"{len(found)} annotators are too many for one plan: {MAX_ANNOTATORS} at most."
            )
        return found

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        names, per_clip = cleaned.get("annotators", {}), cleaned.get("per_clip")
        if names and per_clip and per_clip > len(names):
            noun = "annotator" if len(names) == 1 else "annotators"
            self.add_error("per_clip", f"There are only {len(names)} {noun}.")
        return cleaned

    def wishes(self) -> Wishes:
        """What was typed, as planning takes it; only of a valid form."""
        values = self.cleaned_data
        hours = values["annotators"]
        return Wishes(
            annotators=tuple(hours),
            overlap=values["overlap"] / 100,
            per_clip=values["per_clip"],
            seed=values["seed"],
            blind=(values["blind"] or 0) / 100,
            gold=(values["gold"] or 0) / 100,
            capacity={name: most for name, most in hours.items() if most is not None},
            pace=values["pace"] or PACE,
        )


class GoldTasksForm(forms.Form):
    """Clips for the one who knows best, whose answers will be taken for known."""

    annotator = forms.CharField(
        label="Expert",
        max_length=150,
        validators=[check_user_name],
        help_text="User name in CVAT of whoever knows the right answers.",
    )
    count = forms.IntegerField(label="Clips", initial=5, min_value=1, max_value=500)


def _user_name(name: str) -> str:
    try:
        check_user_name(name)
    except forms.ValidationError as error:
        raise forms.ValidationError(f"{name}: {error.message}.") from error
    return name


def _hours(name: str, text: str) -> float | None:
    if not text:
        return None
    if not re.fullmatch(r"\d{1,5}(\.\d+)?h?", text):
        raise forms.ValidationError(
            f"{name}: {text} is no number of hours. Write {name}: 20, or the name alone."
        )
    return float(text.rstrip("h"))


class AnswersForm(forms.Form):
    """Answer files; for one task any name will do, for many each is <clip>--<annotator>."""

    answers = FilesField(
        label="Answer files",
        widget=FilesInput(attrs={"accept": ".xml,.zip"}),
    )

    def clean_answers(self) -> list[UploadedFile]:
        files: list[UploadedFile] = self.cleaned_data["answers"]
        if len(files) > MAX_FILES:
            raise forms.ValidationError(f"At most {MAX_FILES} files at once.")
        for file in files:
            if not (file.name or "").lower().endswith((".xml", ".zip")):
                raise forms.ValidationError(
                    f"{file.name} is no answer file: export from CVAT as "
                    '"CVAT for video 1.1" and send the zip or the XML in it.'
                )
        return files
