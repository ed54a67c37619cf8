"""`make_token`: an access token of the API for an account, without a browser."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from datasets.accounts.tokens import SCOPES, TokenError, make_token


class Command(BaseCommand):
    help = "Print an access token of the API for an account. It is stored as a hash only."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("account", help="user name")
        parser.add_argument("--name", default="by a command", help="what it is for")
        parser.add_argument(
            "--scope", action="append", choices=list(SCOPES), help="default: read; repeatable"
        )
        parser.add_argument("--days", type=int, default=90, help="how long it holds")

    def handle(self, *, account: str, name: str, days: int, **options: Any) -> None:
        user = User.objects.filter(username=account).first()
        if user is None:
            raise CommandError(f"There is no account {account}.")
        try:
            _, token = make_token(
                user, name=name, scopes=options["scope"] or ["read"], days=days
            )
        except TokenError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(token)
