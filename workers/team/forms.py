"""Forms for members: invitations, roles, and the account of somebody who was invited."""

from typing import Any

from django import forms
from django.contrib.auth.forms import BaseUserCreationForm
from django.contrib.auth.models import User
from django.utils.translation import gettext_lazy as _

from annotation.models import Annotator
from annotation.models.work import check_user_name
from datasets.models import Dataset, Member
from datasets.services.members import may_invite

MAX_DAYS, MAX_USES = 90, 100


class InvitationForm(forms.Form):
    """A new invitation, with the roles that the user may invite."""

    role = forms.ChoiceField(initial=Member.Role.ANNOTATOR)
    annotator = forms.ChoiceField(
        required=False,
        help_text=_("Somebody who annotated in CVAT or by packages so far keeps their tasks."),
    )
    email = forms.EmailField(
        label=_("E-mail"),
        required=False,
        help_text=_("Empty: the link is shown here for you to send."),
    )
    days = forms.IntegerField(
        label=_("Days valid"), min_value=1, max_value=MAX_DAYS, initial=14
    )
    max_uses = forms.IntegerField(
        label=_("People who may use it"), min_value=1, max_value=MAX_USES, initial=1
    )

    def __init__(self, data: Any, *, dataset: Dataset, user: User, has_email: bool) -> None:
        super().__init__(data)
        roles = [one for one in Member.Role.choices if may_invite(user, dataset, one[0])]
        self.fields["role"].choices = roles  # type: ignore[attr-defined]
        free = Annotator.objects.filter(dataset=dataset, user=None, is_simulated=False)
        names = [(name, name) for name in free.values_list("name", flat=True)]
        self.fields["annotator"].choices = [("", _("A new annotator")), *names]  # type: ignore[attr-defined]
        if not has_email:
            del self.fields["email"]


class AccountForm(BaseUserCreationForm):  # type: ignore[type-arg]
    """A new account: user name and password."""

    class Meta:
        model = User
        fields = ("username",)

    def clean_username(self) -> str:
        name: str = self.cleaned_data["username"]
        check_user_name(name)
        if User.objects.filter(username__iexact=name).exists():
            raise forms.ValidationError(
                _(
                    "There is an account %(name)s already. Choose another name, or log in with "
                    "it."
                )
                % {"name": name}
            )
        return name
