"""What reviewers type, checked."""

from typing import Any

from django import forms

from annotation.models import AnnotationTask
from datasets.models import ActionGroup, Dataset
from qc.models import HouseRules, Review
from qc.services.inspect import house_rules, switched_off
from qc.services.rules import decides_by

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
