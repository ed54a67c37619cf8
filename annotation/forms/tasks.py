"""Forms for assigning tasks and importing answers."""

import re
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.forms.models import model_to_dict
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from annotation.core.assignment_plan import PACE, PlanRequest
from annotation.models import Annotator, PlanSettings, check_user_name
from annotation.selectors.pace import measured_pace, measured_paces
from datasets.forms import FilesField, FilesInput
from datasets.models import Dataset

MAX_FILES = 500
MAX_ANNOTATORS = 100
TOOLS = [("", _("CVAT if connected, else label page")), *Annotator.Tool.choices]
SHARES = ("overlap", "blind", "gold")


class PlanForm(forms.Form):
    """A plan request: annotators, overlap, blind and gold shares, pace and seed."""

    annotators = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        help_text=_(
            "User names in CVAT, separated by commas, spaces or lines. Add a limit in "
            "hours with a colon, for example kim: 20. People not listed get no new tasks."
        ),
    )
    overlap = forms.IntegerField(
        label=_("Overlap (% of clips)"),
        initial=30,
        min_value=0,
        max_value=100,
        help_text=_("This share of the clips gets several annotators, to measure agreement."),
    )
    per_clip = forms.IntegerField(
        label=_("Annotators per shared clip"),
        required=False,
        min_value=2,
        help_text=_("2 or more. Empty: all annotators."),
    )
    seed = forms.IntegerField(
        initial=0, min_value=0, max_value=2**31 - 1,
        help_text=_("The same seed gives the same plan."),
    )  # fmt: skip
    blind = forms.IntegerField(
        label=_("Blind share (%)"),
        initial=0, min_value=0, max_value=100, required=False,
        help_text=_("Clips without pre-drawn boxes, to measure anchoring bias."),
    )  # fmt: skip
    gold = forms.IntegerField(
        label=_("Gold clips (%)"),
        initial=0, min_value=0, max_value=100, required=False,
        help_text=_("Clips with known answers, added to each annotator's own clips."),
    )  # fmt: skip
    pace = forms.FloatField(
        label=_("Pace (seconds)"),
        initial=PACE, min_value=0.1, max_value=3600, required=False,
        help_text=_("Time for one person in one second of video. The measured pace of an "
        "annotator comes first."),
    )  # fmt: skip
    tool = forms.ChoiceField(
        label=_("Where new annotators work"),
        choices=TOOLS, required=False,
        help_text=_("The others keep their tool: see Annotators."),
    )  # fmt: skip

    @classmethod
    def of(cls, dataset: Dataset, *, user_name: str = "") -> dict[str, Any]:
        """The initial values: the request of the last plan, at the measured pace.

        Without a plan and annotators, `user_name` gets all clips.
        """
        people = dataset.annotators.filter(is_active=True)
        named = {
            "annotators": "\n".join(
                person.name
                if person.capacity is None
                else f"{person.name}: {person.capacity:g}"
                for person in people
            )
        }
        measured = measured_pace(dataset)
        pace = {} if measured is None else {"pace": round(measured, 1)}
        plan = PlanSettings.objects.filter(dataset=dataset).first()
        if plan is None:
            if not named["annotators"]:
                named["annotators"] = user_name
            is_alone = len(named["annotators"].split("\n")) < 2
            return named | pace | ({"overlap": 0} if is_alone else {})
        shares = {name: round(100 * getattr(plan, name)) for name in SHARES}
        return named | shares | model_to_dict(plan, ["per_clip", "seed", "pace"]) | pace

    def clean_annotators(self) -> dict[str, float | None]:
        """Hours by name; None for no limit."""
        text = re.sub(r"\s*:\s*", ":", self.cleaned_data["annotators"])
        found: dict[str, float | None] = {}
        for one in re.split(r"[\s,;]+", text.strip(" \t\r\n,;")):
            name, _colon, hours = one.partition(":")
            if name:
                found[_user_name(name)] = _hours(name, hours)
        if not found:
            raise forms.ValidationError(_("Name at least one annotator."))
        if len(found) > MAX_ANNOTATORS:
            raise forms.ValidationError(
                _("%(count)d annotators are too many. A plan can have %(most)d.")
                % {"count": len(found), "most": MAX_ANNOTATORS}
            )
        return found

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        names, per_clip = cleaned.get("annotators", {}), cleaned.get("per_clip")
        if names and per_clip and per_clip > len(names):
            sentence = ngettext(
                "There is only %d annotator.", "There are only %d annotators.", len(names)
            )
            self.add_error("per_clip", sentence % len(names))
        return cleaned

    def plan_request(self, dataset: Dataset) -> PlanRequest:
        """The plan request of a valid form, with the measured pace of each annotator."""
        values = self.cleaned_data
        hours = values["annotators"]
        return PlanRequest(
            annotators=tuple(hours),
            overlap=values["overlap"] / 100,
            per_clip=values["per_clip"],
            seed=values["seed"],
            blind=(values["blind"] or 0) / 100,
            gold=(values["gold"] or 0) / 100,
            capacity={name: most for name, most in hours.items() if most is not None},
            pace=values["pace"] or PACE,
            paces=measured_paces(dataset),
        )


class GoldTasksForm(forms.Form):
    """Clips for an expert whose answers become gold answers."""

    annotator = forms.CharField(
        label=_("Expert"),
        max_length=150,
        validators=[check_user_name],
        help_text=_("User name in CVAT of the annotator who gives the correct answers."),
    )
    count = forms.IntegerField(label=_("Clips"), initial=5, min_value=1, max_value=500)


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
            _(
                "%(name)s: %(text)s is not a number of hours. Enter %(name)s: 20, or only the "
                "name."
            )
            % {"name": name, "text": text}
        )
    return float(text.rstrip("h"))


class AnswersForm(forms.Form):
    """Answer files: any name for one task, <clip>--<annotator> for several."""

    answers = FilesField(
        label=_("Answer files"),
        widget=FilesInput(attrs={"accept": ".xml,.zip"}),
    )

    def clean_answers(self) -> list[UploadedFile]:
        files: list[UploadedFile] = self.cleaned_data["answers"]
        if len(files) > MAX_FILES:
            raise forms.ValidationError(
                _("At most %(count)d files at once.") % {"count": MAX_FILES}
            )
        for file in files:
            if not (file.name or "").lower().endswith((".xml", ".zip")):
                raise forms.ValidationError(
                    _(
                        '%(file)s is not an answer file: export the job from CVAT as "CVAT for '
                        'video 1.1" and choose that zip or the XML in it.'
                    )
                    % {"file": file.name}
                )
        return files
