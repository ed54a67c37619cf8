"""Forms of imports: a file with its source, and what its labels, subjects and times mean."""

from typing import Any, NamedTuple

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation.core.importing.label_mapping import meanings
from annotation.importers.registry import IMPORTERS
from annotation.importers.source_files import ENDINGS, MAX_TOTAL
from annotation.models import LabelImport, check_user_name
from annotation.selectors.tasks import group_specs
from datasets.core.sizes import size_text

COMPLETE = [
    ("", gettext_lazy("As usual for the format")),
    ("yes", gettext_lazy("None of it")),
    ("no", gettext_lazy("Not answered")),
]


MAX_LABELS = 500  # on the page
MAX_OTHERS = 200  # subjects, and videos
MAX_OPTIONS = 10_000  # of all lists of meanings


class FormRow(NamedTuple):
    """One label, subject or video of a preview with the field that says what it means."""

    field: str
    text: str
    times: int
    value: str


class LabelFileForm(forms.Form):
    """A file made with another tool, and whose answers it holds."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        widget=forms.FileInput(attrs={"accept": ",".join([*ENDINGS, ".zip"])}),
        help_text=gettext_lazy(
            "One file, or a zip of several. Images and videos in it are passed over."
        ),
    )
    source = forms.CharField(
        label=gettext_lazy("Source"),
        max_length=150,
        validators=[check_user_name],
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocomplete": "off"}),
        help_text=gettext_lazy(
            "A name for whose answers these are, such as ava-2019. They are compared "
            "with those of annotators under it."
        ),
    )
    format = forms.ChoiceField(
        required=False,
        choices=[
            ("", gettext_lazy("Recognise")),
            *((one.name, one.title) for one in IMPORTERS.values()),
        ],
    )

    def clean_file(self) -> UploadedFile:
        file: UploadedFile = self.cleaned_data["file"]
        if (file.size or 0) > MAX_TOTAL:
            raise forms.ValidationError(
                _("%(file)s is %(size)s; at most %(most)s can be imported. Split it.")
                % {
                    "file": file.name,
                    "size": size_text(file.size or 0),
                    "most": size_text(MAX_TOTAL),
                }
            )
        return file


class ImportChoicesForm(forms.Form):
    """What labels, subjects, videos and times of a previewed file mean.

    `label-3` is the meaning of the fourth label of the preview, `subject-0` and `video-0`
    likewise.
    """

    fps = forms.FloatField(
        label=gettext_lazy("Frames per second"),
        required=False,
        min_value=0.1,
        max_value=240,
        help_text=gettext_lazy(
            "Of the numbers of frames or images in the file. Empty: as noted above."
        ),
    )
    first_timestamp = forms.IntegerField(
        label=gettext_lazy("First AVA timestamp"),
        required=False,
        min_value=0,
        max_value=100_000,
        help_text=gettext_lazy(
            "Timestamp of the first second of a source video: 0 or 900, usually."
        ),
    )
    complete = forms.ChoiceField(
        label=gettext_lazy("People without a label of a group"),
        required=False,
        choices=COMPLETE,
        help_text=gettext_lazy(
            "Whether they were looked at and do none of the group's actions."
        ),
    )

    def __init__(self, row: LabelImport, *args: Any, **options: Any) -> None:
        self.preview: dict[str, Any] = row.preview or {}
        self.meanings = meanings(group_specs(row.dataset), row.dataset.class_names)
        self.given = given = row.choices
        complete = given.get("is_complete")
        initial = {
            "fps": given.get("fps") or None, "first_timestamp": given.get("first_timestamp"),
            "complete": {True: "yes", False: "no"}.get(complete, ""),
        }  # fmt: skip
        options["initial"] = initial
        super().__init__(*args, **options)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        known = set(self.meanings)
        wrong = [
            _("%(label)s cannot mean %(meaning)s.") % {"label": label, "meaning": meaning}
            for label, meaning in self._named("labels", "text", "label").items()
            if meaning not in known
        ]
        if wrong:
            raise forms.ValidationError([*wrong[:3], _("Choose meanings from the list.")])
        return cleaned

    @property
    def has_lists(self) -> bool:
        """Whether each label gets a list of all meanings; with many labels they are typed."""
        return len(self.preview.get("labels", [])) * len(self.meanings) <= MAX_OPTIONS

    def labels(self) -> list[FormRow]:
        return self._rows("labels", "text", "label", MAX_LABELS)

    def subjects(self) -> list[FormRow]:
        return self._rows("subjects", "name", "subject", MAX_OTHERS)

    def videos(self) -> list[FormRow]:
        """The videos that are found nowhere, and those that somebody has named."""
        rows = self._rows("videos", "name", "video", len(self.preview.get("videos", [])))
        unplaced = {
            one["name"] for one in self.preview.get("videos", []) if not one["is_placed"]
        }
        return [row for row in rows if row.text in unplaced or row.value][:MAX_OTHERS]

    def _rows(self, kind: str, key: str, field: str, most: int) -> list[FormRow]:
        given = self.given.get("videos", {}) if kind == "videos" else {}
        found = []
        for place, one in enumerate(self.preview.get(kind, [])[:most]):
            name = f"{field}-{place}"
            value = one.get("meaning") or given.get(one[key], "")
            found.append(
                FormRow(name, one[key], one.get("count", 0), self.data.get(name, value))
            )
        return found

    def choices(self) -> dict[str, Any]:
        """The choices as an import keeps them; what the page did not ask for stays."""
        cleaned = self.cleaned_data
        videos = self.given.get("videos", {}) | self._named("videos", "name", "video")
        return {
            "mapping": self.given.get("mapping", {}) | self._named("labels", "text", "label"),
            "subjects": self.given.get("subjects", {})
            | self._named("subjects", "name", "subject"),
            "videos": {name: here for name, here in videos.items() if here},
            "fps": cleaned.get("fps") or 0,
            "first_timestamp": cleaned.get("first_timestamp"),
            "is_complete": {"yes": True, "no": False}.get(cleaned.get("complete", "")),
        }  # fmt: skip

    def _named(self, kind: str, key: str, field: str) -> dict[str, str]:
        """What was posted for each entry of the preview; what was not posted is left out."""
        found = {}
        for place, one in enumerate(self.preview.get(kind, [])):
            posted = self.data.get(f"{field}-{place}")
            if posted is not None:
                found[one[key]] = posted.strip()
        return found
