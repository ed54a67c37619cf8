"""Command `reencrypt_credentials`: stored credentials, with the first key."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from annotation.core.encryption import DecryptionError
from annotation.services.cvat.connection import reencrypt
from avaproject.account_adapters import reencrypt_second_factors
from workers.team.email_and_webhooks import reencrypt_webhooks


class Command(BaseCommand):
    help = (
        "Encrypt the stored credentials of CVAT servers and the secrets of webhooks with the "
        "first key of AVA_SECRETS_KEY. "
        "Afterwards the other keys can be removed."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with transaction.atomic():
                names = reencrypt(settings.SECRETS_KEYS)
                count = reencrypt_webhooks(settings.SECRETS_KEYS)
                factors = reencrypt_second_factors(settings.SECRETS_KEYS)
        except DecryptionError as error:
            raise CommandError(f"Nothing was changed: {error}.") from error
        self.stdout.write(
            f"Encrypted anew: {', '.join(names) or 'none'}. Webhooks: {count}. "
            f"Second factors: {factors}."
        )
