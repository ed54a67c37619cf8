"""Forms of guidelines: the text, a definition, an uploaded image, a picked frame."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from annotation.models import Guideline, GuidelineImage
from annotation.services.guidelines import MAX_TEXT

EXAMPLES = [GuidelineImage.Kind.YES, GuidelineImage.Kind.NO]


class TextForm(forms.ModelForm):
    """The text of a dataset."""

    class Meta:
        model = Guideline
        fields = ["text"]
        labels = {"text": _("Text")}
        widgets = {
            "text": forms.Textarea(attrs={"rows": 18, "class": "code", "maxlength": MAX_TEXT})
        }
        help_texts = {
            "text": _(
                "Markdown. An image is shown by ![what it shows](image-1.jpg), with its "
                "name from the list below."
            )
        }


class DefinitionForm(forms.ModelForm):
    """The definition of an action."""

    class Meta:
        model = Guideline
        fields = ["text"]
        labels = {"text": _("Definition")}
        widgets = {"text": forms.Textarea(attrs={"rows": 3, "maxlength": 2000})}
        help_texts = {"text": _("One or two sentences: what counts, and what does not.")}


class ImageForm(forms.Form):
    """An uploaded image; of an action it is an example for or against."""

    file = forms.FileField(
        label=_("Image"),
        widget=forms.FileInput(attrs={"accept": "image/png,image/jpeg,image/webp,image/gif"}),
        help_text=_("PNG, JPEG, WebP or GIF, up to 20 MB. It is stored at up to 1280 pixels."),
    )
    caption = forms.CharField(max_length=200, required=False, help_text=_("What it shows."))
    kind = forms.ChoiceField(
        label=_("Example for"),
        choices=[(one.value, one.label) for one in EXAMPLES],
        initial="yes",
    )

    def __init__(self, *args: Any, is_example: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        if not is_example:
            del self.fields["kind"]


class FrameForm(forms.Form):
    """A picked frame: of which person, and what it is an example for."""

    person = forms.IntegerField(required=False, min_value=1)
    kind = forms.ChoiceField(choices=[(one.value, one.label) for one in EXAMPLES])
    caption = forms.CharField(max_length=200, required=False)
