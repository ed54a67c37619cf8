"""What reviewers type, checked."""

from typing import Any

from django import forms

from annotation.models import AnnotationTask
from avaproject.base.views import key_of
from datasets.models import ActionGroup, Dataset
from qc.core.release.formats import FORMATS
from qc.core.release.options import LICENCES, OptionsError, ReleaseOptions, read_split_list
from qc.models import HouseRules, Review
from qc.selectors.consensus.adjudication_queue import BOX as BOX_QUESTION
from qc.selectors.consensus.adjudication_queue import PERSON as PERSON_QUESTION
from qc.services.inspect import house_rules, switched_off
from qc.services.review.quality_rules import decides_by

FARTHEST = 1_000_000  # pixels, of a side of a box that somebody may have meant
PERSON, NOT_A_PERSON = "person", "not-a-person"


class VerdictForm(forms.Form):
    """Approve or reject the tasks ticked, in the versions `seen`; a rejection says why."""

    tasks = forms.ModelMultipleChoiceField(
        AnnotationTask.objects.none(), error_messages={"required": "Tick at least one task."}
    )
    verdict = forms.ChoiceField(choices=Review.Verdict)
    reason = forms.CharField(required=False, max_length=2000)
    despite_findings = forms.BooleanField(required=False)

    def __init__(self, data: Any, *, tasks: Any) -> None:
        super().__init__(data)
        self.fields["tasks"].queryset = tasks  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        rejects = cleaned.get("verdict") == Review.Verdict.REJECTED
        if rejects and not cleaned.get("reason", "").strip():
            self.add_error("reason", "Say what is wrong, so that the annotator can mend it.")
        seen = {key_of(key) for key in self.data.getlist("seen")}  # type: ignore[attr-defined]
        return cleaned | {"seen": seen or None}


class ThresholdForm(forms.Form):
    """How well a task must agree to be approved unseen."""

    alpha = forms.FloatField(
        label="Lowest alpha of a group, at least", initial=0.8, min_value=0, max_value=1,
        widget=forms.NumberInput(attrs={"step": "any"}),
        help_text="0.8: rely on it; 0.667: tentative conclusions only.",
    )  # fmt: skip
    f1 = forms.FloatField(
        label="Boxes matched, F1, at least", initial=0.9, min_value=0, max_value=1,
        widget=forms.NumberInput(attrs={"step": "any"}),
        help_text="With the annotator whose boxes match least.",
    )  # fmt: skip


class OpinionForm(forms.Form):
    """Which clips a third opinion is asked on, and of whom."""

    clips = forms.MultipleChoiceField(error_messages={"required": "Tick at least one clip."})
    annotators = forms.MultipleChoiceField(
        error_messages={"required": "Tick at least one annotator."}
    )

    def __init__(self, data: Any, *, clips: list[str], annotators: list[str]) -> None:
        super().__init__(data)
        for name, choices in (("clips", clips), ("annotators", annotators)):
            self.fields[name].choices = [(one, one) for one in choices]  # type: ignore[attr-defined]


class PeriodForm(forms.Form):
    """First and last day of a period; none of both is everything."""

    since = forms.DateField(required=False, label="From")
    until = forms.DateField(required=False, label="To")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        since, until = cleaned.get("since"), cleaned.get("until")
        if (since is None) != (until is None):
            raise forms.ValidationError("A period needs its first and its last day.")
        if since and until and since > until:
            raise forms.ValidationError(f"The period ends on {until}, before it begins.")
        return cleaned

    def period(self) -> str:
        """As a summary is called; empty for everything."""
        days = self.days()
        return f"{days['since']}/{days['until']}" if days else ""

    def days(self) -> dict[str, str]:
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        if not since or not until:
            return {}
        return {"since": since.isoformat(), "until": until.isoformat()}

    def words(self) -> str:
        """For a heading; empty for everything."""
        days = self.days() if self.is_valid() else {}
        return f"{days['since']} to {days['until']}" if days else ""


class HouseRulesForm(forms.Form):
    """Which rules a dataset asks, and how its votes decide."""

    on = forms.MultipleChoiceField(
        choices=lambda: [(rule.name, rule.name) for rule in house_rules()], required=False
    )
    decides = forms.ChoiceField(choices=HouseRules.Decides)

    @classmethod
    def of(cls, dataset: Dataset) -> "HouseRulesForm":
        off = switched_off(dataset)
        on = [rule.name for rule in house_rules() if rule.name not in off]
        return cls(initial={"on": on, "decides": decides_by(dataset)})

    def choices(self) -> dict[str, Any]:
        """What the form says, for `change_rules`."""
        on = set(self.cleaned_data["on"])
        off = [rule.name for rule in house_rules() if rule.name not in on]
        return {"switched_off": off, "decides": self.cleaned_data["decides"]}


class AdjudicationForm(forms.Form):
    """A reviewer's answer to one question, at one keyframe or at several alike.

    The answer is either ticked (`answer`, once for each action) or one of the buttons
    (`chosen`, the same as JSON); for the question where, four pixels as JSON.
    """

    clip = forms.SlugField()
    second = forms.TypedMultipleChoiceField(coerce=int)
    person_id = forms.IntegerField(min_value=1)
    group = forms.CharField(required=False)
    chosen = forms.JSONField(required=False)
    answer = forms.MultipleChoiceField(required=False)
    reason = forms.CharField(required=False, max_length=2000)

    def __init__(self, data: Any, *, dataset: Dataset) -> None:
        super().__init__(data)
        self.dataset = dataset
        self.one = True
        seconds = [(one, one) for one in data.getlist("second") if key_of(one) is not None]
        self.fields["second"].choices = seconds  # type: ignore[attr-defined]
        self.choices = self._choices(data.get("group", ""))
        self.fields["answer"].choices = [(name, name) for name in self.choices]  # type: ignore[attr-defined]

    def _choices(self, name: str) -> list[str]:
        if name in ("", PERSON_QUESTION):
            return [PERSON, NOT_A_PERSON]
        group = self.dataset.groups.filter(name=name).first()
        if group is None:
            return []
        self.one = group.choice == ActionGroup.Choice.ONE
        return [*group.actions.values_list("name", flat=True), "unknown"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("group") == BOX_QUESTION:
            if not _is_box(cleaned.get("chosen")):
                self.add_error("chosen", "Choose a box, or draw one.")
            return cleaned
        if (chosen := cleaned.get("chosen")) is not None:
            known = isinstance(chosen, list) and all(name in self.choices for name in chosen)
            if not known:
                self.add_error("chosen", f"{chosen} is no answer to this.")
            cleaned["answer"] = chosen
        if self.one and "answer" in cleaned and len(cleaned["answer"]) != 1:
            self.add_error("answer", "Choose one answer.")
        return cleaned

    def decision(self) -> dict[str, Any]:
        """The arguments of `adjudicate_all`, but for the clip and the user."""
        values, group = self.cleaned_data, self.cleaned_data["group"]
        is_on_group = group not in ("", PERSON_QUESTION, BOX_QUESTION)
        is_on_box = group == BOX_QUESTION
        return {
            "seconds": values["second"],
            "person_id": values["person_id"],
            "group": group if is_on_group else "",
            "actions": values["answer"] if is_on_group else [],
            "is_person": is_on_group or is_on_box or values["answer"] == [PERSON],
            "box": values["chosen"] if is_on_box else None,
            "reason": values["reason"],
        }


PICTURES = [
    ("full", "Pictures as large as the films"),
    ("640", "Smaller pictures, longest side 640"),
    ("320", "Small pictures, longest side 320"),
    ("none", "No pictures, only films"),
    ("annotations", "Annotations alone, neither pictures nor films"),
]


class ReleaseForm(forms.Form):
    """What may be chosen for a release; an empty form is what every consumer reads."""

    pictures = forms.ChoiceField(
        choices=PICTURES, initial="full", required=False, widget=forms.RadioSelect
    )
    formats = forms.MultipleChoiceField(
        choices=[(name, format.title) for name, format in FORMATS.items()],
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    official_names = forms.BooleanField(required=False)
    licence = forms.ChoiceField(
        choices=[("", "Nothing is said")] + [(name, name) for name in LICENCES], required=False
    )
    authors = forms.CharField(
        required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 3}),
        help_text="One a line, for the citation",
    )  # fmt: skip
    seed = forms.IntegerField(
        required=False, min_value=0, max_value=1_000_000, initial=0,
        help_text="Another one shares out new videos differently",
    )  # fmt: skip
    split_list = forms.CharField(
        required=False,
        max_length=200_000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="Lines of video,train or val or test; videos not named are shared out",
    )

    def __init__(self, data: Any, *, dataset: Dataset) -> None:
        super().__init__(data)
        self.dataset = dataset

    def clean_split_list(self) -> dict[str, str]:
        known = set(self.dataset.videos.values_list("name", flat=True))
        try:
            return read_split_list(self.cleaned_data["split_list"], known=known)
        except OptionsError as error:
            raise forms.ValidationError(str(error)) from error

    def options(self) -> ReleaseOptions:
        """What was chosen; only of a valid form."""
        values = self.cleaned_data
        pictures = values["pictures"] or "full"
        return ReleaseOptions(
            formats=tuple(sorted(values["formats"])),
            with_pictures=pictures not in ("none", "annotations"),
            with_films=pictures != "annotations",
            longest_side=int(pictures) if pictures.isdecimal() else None,
            official_names=values["official_names"],
            seed=values["seed"] or 0,
            split_of=values["split_list"],
            licence=values["licence"],
            authors=tuple(
                name for line in values["authors"].splitlines() if (name := line.strip())
            ),
        )


def _is_box(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 4
        and all(isinstance(side, int | float) and abs(side) < FARTHEST for side in value)
    )
