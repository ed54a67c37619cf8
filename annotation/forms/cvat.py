"""Forms for CVAT servers, projects and members."""

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.utils.translation import gettext_lazy as _

from annotation.models import CvatProject, CvatServer, check_address

ADDRESS = forms.TextInput(attrs={"inputmode": "url", "spellcheck": "false"})


class AddressField(forms.CharField):
    """The address of a server; path and query of a copied page address are dropped."""

    widget = ADDRESS

    def clean(self, value: Any) -> str:
        text = super().clean(value).strip()
        if text and "://" not in text:
            text = f"https://{text}"
        if text:
            check_address(text)
            parts = urlsplit(text)
            text = f"{parts.scheme}://{parts.netloc}"
        return text


class ServerForm(forms.ModelForm):
    """A server and our account there; empty credentials keep the stored ones."""

    url = AddressField(
        label=_("Address"), max_length=200, help_text=_("https://cvat.example.org")
    )
    callback_url = AddressField(
        label=_("Callback address"), required=False, max_length=200,
        help_text=_("The address of AVA Studio as CVAT reaches it, for webhooks. Empty: "
        "AVA_PUBLIC_URL."),
    )  # fmt: skip
    token = forms.CharField(
        label=_("Access token"), required=False, widget=forms.PasswordInput(),
        help_text=_("In CVAT: your name, Profile, Security, Personal access tokens."),
    )  # fmt: skip
    user = forms.CharField(
        label=_("User"), required=False, max_length=150, help_text=_("Only without a token.")
    )
    password = forms.CharField(
        required=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )

    class Meta:
        model = CvatServer
        fields = ["name", "url", "organisation", "callback_url"]
        help_texts = {
            "name": _("The name shown in AVA Studio."),
            "organisation": _("Its short name in CVAT. Required to invite members."),
        }

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name == "new":
            raise forms.ValidationError(_("This name is reserved. Choose another."))
        return name

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        has_one = bool(values.get("token")) or bool(values.get("password"))
        if values.get("password") and not (values.get("user") or values.get("token")):
            self.add_error("user", _("Enter the user name for this password."))
        if not has_one and not (
            self.instance.encrypted_token or self.instance.encrypted_password
        ):
            self.add_error("token", _("Enter a token, or a user and a password."))
        if not has_one and self.instance.pk and values.get("url") != self.instance.url:
            self.add_error(
                "token", _("Enter it again: stored credentials are not sent to a new address.")
            )
        return values

    def credentials(self) -> dict[str, str]:
        return {name: self.cleaned_data[name] for name in ("token", "user", "password")}


class ConnectForm(forms.ModelForm):
    """The server of a dataset."""

    class Meta:
        model = CvatProject
        fields = ["server"]

    def __init__(self, *args: Any, **options: Any) -> None:
        """The only server is chosen already."""
        super().__init__(*args, **options)
        servers = CvatServer.objects.all()[:2]
        if len(servers) == 1:
            self.initial.setdefault("server", servers[0].pk)


class InviteForm(forms.Form):
    email = forms.EmailField(
        label=_("E-mail"), widget=forms.TextInput(attrs={"inputmode": "email"})
    )


class MembersForm(forms.Form):
    """Members of the organisation to add as annotators."""

    names = forms.MultipleChoiceField(required=True)

    def __init__(self, *args: Any, names: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["names"].choices = [(name, name) for name in names]  # type: ignore[attr-defined]
