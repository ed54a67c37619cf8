"""Command `reencrypt_credentials`: credentials of CVAT servers, with the first key."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from annotation.core.encryption import DecryptionError
from annotation.services.cvat.connection import reencrypt


class Command(BaseCommand):
    help = (
        "Encrypt the stored credentials of CVAT servers with the first key of AVA_SECRETS_KEY. "
        "Afterwards the other keys can be removed."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            names = reencrypt(settings.SECRETS_KEYS)
        except DecryptionError as error:
            raise CommandError(f"Nothing was changed: {error}.") from error
        self.stdout.write(f"Encrypted anew: {', '.join(names) or 'none'}.")
