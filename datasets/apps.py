"""The app's configuration: admin pages of accounts, and the translation of the core."""

from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext, ngettext

from datasets.core import translation


class DatasetsConfig(AppConfig):
    """`datasets`, with the admin pages of `datasets.accounts`."""

    name = "datasets"

    def ready(self) -> None:
        import_module("datasets.accounts.admin")
        translation.use(gettext, ngettext)
