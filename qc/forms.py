"""What reviewers type, checked."""

from typing import Any

from django import forms

from annotation.models import AnnotationTask
from datasets.models import ActionGroup, Dataset
from qc.core.formats import FORMATS
from qc.core.release_options import LICENCES, OptionsError, ReleaseOptions, read_split_list
from qc.models import Review

PERSON, NOT_A_PERSON = "person", "not-a-person"


class VerdictForm(forms.Form):
    """Approve or reject the tasks ticked; a rejection says why."""

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
        return cleaned


class AdjudicationForm(forms.Form):
    """A reviewer's answer to one open question."""

    clip = forms.SlugField()
    second = forms.IntegerField(min_value=0)
    person_id = forms.IntegerField(min_value=1)
    group = forms.CharField(required=False)
    answer = forms.MultipleChoiceField(
        required=False, error_messages={"invalid_choice": "%(value)s is no answer to this."}
    )
    reason = forms.CharField(required=False, max_length=2000)

    def __init__(self, data: Any, *, dataset: Dataset) -> None:
        super().__init__(data)
        self.dataset = dataset
        self.one = True
        self.fields["answer"].choices = self._choices(data.get("group", ""))  # type: ignore[attr-defined]

    def _choices(self, name: str) -> list[tuple[str, str]]:
        if not name:
            return [(PERSON, "a person"), (NOT_A_PERSON, "not a person")]
        group = self.dataset.groups.filter(name=name).first()
        if group is None:
            return []
        names = list(group.actions.values_list("name", flat=True))
        self.one = group.choice == ActionGroup.Choice.ONE
        return [(name, name) for name in (*names, "unknown")]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.one and "answer" in cleaned and len(cleaned["answer"]) != 1:
            self.add_error("answer", "Choose one answer.")
        return cleaned

    def decision(self) -> dict[str, Any]:
        """The arguments of `adjudicate`, but for the clip and the user."""
        values, answer = self.cleaned_data, self.cleaned_data["answer"]
        return {
            "second": values["second"],
            "person_id": values["person_id"],
            "group": values["group"],
            "actions": answer if values["group"] else [],
            "is_person": bool(values["group"]) or answer == [PERSON],
            "reason": values["reason"],
        }


PICTURES = [
    ("full", "Pictures as large as the films"),
    ("640", "Smaller pictures, longest side 640"),
    ("320", "Small pictures, longest side 320"),
    ("none", "No pictures, only films"),
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
            with_pictures=pictures != "none",
            longest_side=int(pictures) if pictures.isdecimal() else None,
            official_names=values["official_names"],
            seed=values["seed"] or 0,
            split_of=values["split_list"],
            licence=values["licence"],
            authors=tuple(
                name for line in values["authors"].splitlines() if (name := line.strip())
            ),
        )
