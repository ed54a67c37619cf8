"""Forms of review, adjudication, quality rules and releases."""

from typing import Any, cast

from django import forms
from django.utils.translation import gettext_lazy as _

from annotation.models import AnnotationTask
from avaproject.base.views import parse_key
from datasets.models import ActionGroup, Dataset
from qc.core.release.blurring import HEADS
from qc.core.release.formats import FORMATS
from qc.core.release.options import (
    LICENCES,
    OptionsError,
    ReleaseOptions,
    read_split_list,
)
from qc.core.release.packing import NO_LICENCE
from qc.models import QualityRules, Review
from qc.selectors.consensus.adjudication_queue import BOX as BOX_ITEM
from qc.selectors.consensus.adjudication_queue import PERSON as PERSON_ITEM
from qc.services.agreement.quality_checks import quality_rules, switched_off
from qc.services.release.blur_faces import face_detector_files, require_faces
from qc.services.release.make_release import require_datasheet
from qc.services.review.quality_rules import vote_rule_of

MAX_REASON = 2000  # characters
MAX_COORDINATE = 1_000_000  # pixels
PERSON, NOT_A_PERSON = "person", "not-a-person"


class VerdictForm(forms.Form):
    """Approve or reject the selected tasks in the versions `seen`.

    A rejection needs a reason, and so does an approval in spite of blocking findings.
    """

    tasks = forms.ModelMultipleChoiceField(
        AnnotationTask.objects.none(),
        error_messages={"required": _("Select at least one task.")},
    )
    verdict = forms.ChoiceField(choices=Review.Verdict)
    reason = forms.CharField(required=False, max_length=2000)

    def __init__(self, data: Any, *, tasks: Any) -> None:
        super().__init__(data)
        self.fields["tasks"].queryset = tasks  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        rejects = cleaned.get("verdict") == Review.Verdict.REJECTED
        if rejects and not cleaned.get("reason", "").strip():
            self.add_error(
                "reason", _("Give a reason, so that the annotator knows what to correct.")
            )
        seen = {parse_key(key) for key in self.data.getlist("seen")}  # type: ignore[attr-defined]
        return cleaned | {"seen": seen or None, "overrides": self.overrides()}

    def overrides(self) -> dict[int, str]:
        """Why tasks are approved in spite of blocking findings: the fields `despite-<task>`."""
        named = {parse_key(name.removeprefix("despite-")): name for name in self.data
                 if name.startswith("despite-")}  # fmt: skip
        return {key: self.data[name][:MAX_REASON] for key, name in named.items() if key}


class ThresholdForm(forms.Form):
    """The agreement that a submission needs to be approved in bulk."""

    alpha = forms.FloatField(
        label=_("Minimum alpha of all groups"), initial=0.8, min_value=0, max_value=1,
        widget=forms.NumberInput(attrs={"step": "any"}),
        help_text=_("From 0.8 reliable; from 0.667 tentative."),
    )  # fmt: skip
    f1 = forms.FloatField(
        label=_("Minimum box F1"), initial=0.9, min_value=0, max_value=1,
        widget=forms.NumberInput(attrs={"step": "any"}),
        help_text=_("With each other annotator."),
    )  # fmt: skip


class ThirdOpinionForm(forms.Form):
    """The clips that need a third opinion, and the annotators to choose from."""

    clips = forms.MultipleChoiceField(
        error_messages={"required": _("Select at least one clip.")}
    )
    annotators = forms.MultipleChoiceField(
        error_messages={"required": _("Select at least one annotator.")}
    )

    def __init__(self, data: Any, *, clips: list[str], annotators: list[str]) -> None:
        super().__init__(data)
        for name, choices in (("clips", clips), ("annotators", annotators)):
            self.fields[name].choices = [(one, one) for one in choices]  # type: ignore[attr-defined]


class PeriodForm(forms.Form):
    """First and last day of a period; both empty for all answers."""

    since = forms.DateField(required=False, label=_("From"))
    until = forms.DateField(required=False, label=_("To"))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        since, until = cleaned.get("since"), cleaned.get("until")
        if (since is None) != (until is None):
            raise forms.ValidationError(_("Choose both the first and the last day."))
        if since and until and since > until:
            raise forms.ValidationError(_("The last day is before the first day."))
        return cleaned

    def period(self) -> str:
        """The period as in AgreementSummary; empty for all answers."""
        days = self.days()
        return f"{days['since']}/{days['until']}" if days else ""

    def days(self) -> dict[str, str]:
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        if not since or not until:
            return {}
        return {"since": since.isoformat(), "until": until.isoformat()}

    def heading(self) -> str:
        """The period for a heading; empty for all answers."""
        days = self.days() if self.is_valid() else {}
        return _("%(since)s to %(until)s") % days if days else ""


class QualityRulesForm(forms.Form):
    """The quality rules that are checked in a dataset, and its vote rule."""

    on = forms.MultipleChoiceField(
        choices=lambda: [(rule.name, rule.name) for rule in quality_rules()], required=False
    )
    vote_rule = forms.ChoiceField(choices=QualityRules.VoteRule)

    @classmethod
    def of(cls, dataset: Dataset) -> "QualityRulesForm":
        off = switched_off(dataset)
        on = [rule.name for rule in quality_rules() if rule.name not in off]
        return cls(initial={"on": on, "vote_rule": vote_rule_of(dataset)})

    def choices(self) -> dict[str, Any]:
        """The arguments of `change_rules`."""
        on = set(self.cleaned_data["on"])
        off = [rule.name for rule in quality_rules() if rule.name not in on]
        return {"switched_off": off, "vote_rule": self.cleaned_data["vote_rule"]}


LONGEST_DECISION_MS = 24 * 3600 * 1000


class AdjudicationForm(forms.Form):
    """A reviewer's decision on one item, at one keyframe or at several with the same votes.

    The decision is either selected (`answer`, once for each action) or one of the buttons
    (`chosen`, the same as JSON); for a box, its four sides as JSON.
    """

    clip = forms.SlugField()
    second = forms.TypedMultipleChoiceField(coerce=int)
    person_id = forms.IntegerField(min_value=1)
    group = forms.CharField(required=False)
    chosen = forms.JSONField(required=False)
    answer = forms.MultipleChoiceField(required=False)
    reason = forms.CharField(required=False, max_length=2000)
    ms = forms.IntegerField(required=False, min_value=0, max_value=LONGEST_DECISION_MS)

    def __init__(self, data: Any, *, dataset: Dataset) -> None:
        super().__init__(data)
        self.dataset = dataset
        self.one = True
        seconds = [(one, one) for one in data.getlist("second") if parse_key(one) is not None]
        self.fields["second"].choices = seconds  # type: ignore[attr-defined]
        self.choices = self._choices(data.get("group", ""))
        self.fields["answer"].choices = [(name, name) for name in self.choices]  # type: ignore[attr-defined]

    def _choices(self, name: str) -> list[str]:
        if name in ("", PERSON_ITEM):
            return [PERSON, NOT_A_PERSON]
        group = self.dataset.groups.filter(name=name).first()
        if group is None:
            return []
        self.one = group.choice == ActionGroup.Choice.ONE
        return [*group.actions.values_list("name", flat=True), "unknown"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("group") == BOX_ITEM:
            if not _is_box(cleaned.get("chosen")):
                self.add_error("chosen", _("Choose or draw a box."))
            return cleaned
        if (chosen := cleaned.get("chosen")) is not None:
            known = isinstance(chosen, list) and all(name in self.choices for name in chosen)
            if not known:
                self.add_error(
                    "chosen", _("%(chosen)s is not one of the options.") % {"chosen": chosen}
                )
            cleaned["answer"] = chosen
        if self.one and "answer" in cleaned and len(cleaned["answer"]) != 1:
            self.add_error("answer", _("Choose one answer."))
        return cleaned

    def decision(self) -> dict[str, Any]:
        """The arguments of `adjudicate_all`, but for the clip and the user."""
        values, group = self.cleaned_data, self.cleaned_data["group"]
        is_on_group = group not in ("", PERSON_ITEM, BOX_ITEM)
        is_on_box = group == BOX_ITEM
        return {
            "seconds": values["second"],
            "person_id": values["person_id"],
            "group": group if is_on_group else "",
            "actions": values["answer"] if is_on_group else [],
            "is_person": is_on_group or is_on_box or values["answer"] == [PERSON],
            "box": values["chosen"] if is_on_box else None,
            "reason": values["reason"],
            "decision_ms": values["ms"],
        }


FRAME_CHOICES = [
    ("full", _("Frames in the size of the videos")),
    ("640", _("Frames, longest side 640 px")),
    ("320", _("Frames, longest side 320 px")),
    ("none", _("Clips only, no frames")),
    ("annotations", _("Annotations only")),
]


class ReleaseForm(forms.Form):
    """The options of a release; with a licence alone they are those of the default release."""

    frames = forms.ChoiceField(
        choices=FRAME_CHOICES, initial="full", required=False, widget=forms.RadioSelect
    )
    formats = forms.MultipleChoiceField(
        choices=[(name, format.title) for name, format in FORMATS.items()],
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    official_names = forms.BooleanField(required=False)
    licence = forms.ChoiceField(
        choices=[
            ("", _("Choose one")),
            *((name, f"{name}: {what}") for name, what in LICENCES.items()),
            (NO_LICENCE, _("None: this release may not be passed on")),
        ],
        widget=forms.Select(attrs={"autofocus": True}),
        error_messages={
            "required": _("Choose a licence, or none if nobody may pass this release on.")
        },
    )
    is_public = forms.BooleanField(required=False)
    blur_faces = forms.ChoiceField(
        required=False, label=_("Faces"),
        help_text=_(
            "On frames and clips; boxes are kept. Heads are the upper parts of the boxes of "
            "persons, not faces that were found. A face detector is an ONNX file in the "
            "weights folder."
        ),
    )  # fmt: skip
    doi = forms.CharField(
        required=False, max_length=200, label=_("DOI"),
        help_text=_("Such as 10.5281/zenodo.1234"),
    )  # fmt: skip
    keywords = forms.CharField(
        required=False, max_length=500, help_text=_("Separated by commas, for the citation"),
    )  # fmt: skip
    authors = forms.CharField(
        required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("One per line, for the citation"),
    )  # fmt: skip
    seed = forms.IntegerField(
        required=False, min_value=0, max_value=1_000_000, initial=0,
        help_text=_("Another seed assigns new videos to other splits."),
    )  # fmt: skip
    split_list = forms.CharField(
        required=False,
        max_length=200_000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=_(
            "One line per video, such as street-1,train. Splits: train, val, test. "
            "Other videos are assigned automatically."
        ),
    )

    def __init__(self, data: Any, *, dataset: Dataset) -> None:
        super().__init__(data)
        self.dataset = dataset
        field = cast(forms.ChoiceField, self.fields["blur_faces"])
        field.choices = [
            ("", _("Not blurred")),
            (HEADS, _("Blur heads: the upper part of each person's box")),
            *(
                (name, _("Blur what {name} finds").format(name=name))
                for name in face_detector_files()
            ),
        ]

    def clean_split_list(self) -> dict[str, str]:
        known = set(self.dataset.videos.values_list("name", flat=True))
        try:
            return read_split_list(self.cleaned_data["split_list"], known=known)
        except OptionsError as error:
            raise forms.ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                require_datasheet(self.dataset, self.options())
                require_faces(self.options(), self.dataset)
            except OptionsError as error:
                raise forms.ValidationError(f"{error}.".replace("?.", "?")) from error
        return cleaned

    def options(self) -> ReleaseOptions:
        """The chosen options; the form must be valid. Raises OptionsError."""
        values = self.cleaned_data
        return ReleaseOptions.chosen(
            values["frames"] or "full",
            formats=tuple(sorted(values["formats"])),
            official_names=values["official_names"],
            seed=values["seed"] or 0,
            split_of=values["split_list"],
            licence=values["licence"],
            is_public=values["is_public"],
            blur_faces=values["blur_faces"],
            doi=values["doi"].strip(),
            keywords=tuple(w for word in values["keywords"].split(",") if (w := word.strip())),
            authors=tuple(
                name for line in values["authors"].splitlines() if (name := line.strip())
            ),
        )


def _is_box(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 4
        and all(isinstance(side, int | float) and abs(side) < MAX_COORDINATE for side in value)
    )
