"""Walks every step of the exchange with a CVAT server on a small project, and removes it."""

from argparse import ArgumentParser
from contextlib import ExitStack
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from annotation.core.encryption import DecryptionError
from annotation.cvat.client import CvatClient, cached_client
from annotation.cvat.errors import CvatError
from annotation.cvat.transport import Address
from annotation.models import CvatServer
from annotation.services.cvat.compatibility import CompatibilityCheck
from annotation.services.cvat.connection import webhook_url
from annotation.services.cvat.deferral import client_for
from annotation.services.cvat.delivery_receiver import DeliveryReceiver


class Command(BaseCommand):
    help = "Check what holds on a CVAT server: a small project is created, used and deleted."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "server",
            help="name of a server saved here, or an address (signs in with AVA_CVAT_TOKEN, "
            "or AVA_CVAT_USER and AVA_CVAT_PASSWORD)",
        )
        parser.add_argument(
            "--callback",
            metavar="URL",
            default="",
            help="address at which CVAT reaches this machine: a small web server there waits "
            "for CVAT's deliveries (default: the address configured for webhooks is pinged)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            client, organisation, url = _connection(options["server"])
            with ExitStack() as stack:
                receiver = None
                if options["callback"]:
                    receiver = stack.enter_context(_receiver(options["callback"]))
                    url = receiver.url
                check = CompatibilityCheck(
                    client, organisation=organisation, webhook_url=url, receiver=receiver
                )
                failed, count = [], 0
                for step in check.run():
                    count += step.is_tried
                    mark = "FAILED" if step.error else "held" if step.is_tried else "left"
                    text = step.error or step.detail
                    self.stdout.write(f"{mark:6} {step.name} ({step.seconds:.1f} s): {text}")
                    failed += [step.name] if step.error else []
        except (CvatError, DecryptionError) as error:
            raise CommandError(f"The check could not be finished: {error}") from error
        held = f"{count - len(failed)} of {count} steps held"
        notes = f"; failed: {', '.join(failed)}" if failed else ""
        self.stdout.write(f"\n| {check.version} | {timezone.localdate()} | {held}{notes} |")
        if failed:
            raise CommandError(f"{held} on CVAT {check.version}.")


def _receiver(url: str) -> DeliveryReceiver:
    try:
        return DeliveryReceiver(url)
    except (OSError, ValueError) as error:
        raise CommandError(f"Nothing can listen at the port of {url}: {error}.") from error


def _connection(given: str) -> tuple[CvatClient, str, str]:
    """Client, organisation and webhook address of a server by its name or address."""
    if "://" not in given:
        server = CvatServer.objects.filter(name=given).first()
        if server is None:
            raise CommandError(
                f"There is no server called {given}; give its name or its address, with http://"
            )
        return client_for(server), server.organisation, webhook_url(server)
    organisation = settings.CVAT_ORGANISATION
    address = Address(
        given, organisation, token=settings.CVAT_TOKEN, user=settings.CVAT_USER,
        password=settings.CVAT_PASSWORD,
    )  # fmt: skip
    return cached_client(address), organisation, ""
