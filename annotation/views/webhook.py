"""The address that CVAT sends its webhooks to."""

import logging
from contextlib import suppress
from uuid import UUID

from django.core.cache import cache
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotation.core.encryption import DecryptionError
from annotation.core.webhook import SIGNATURE_HEADER
from annotation.models import CvatServer
from annotation.services.cvat.deliveries import InvalidSignatureError, receive

LARGEST = 1 << 20  # bytes; a job has two thousand
FORGED_PER_MINUTE = 60  # from one address, then nothing of it is read
logger = logging.getLogger(__name__)


class ReceiptSerializer(serializers.Serializer):
    """What CVAT is answered when a delivery is kept."""

    ok = serializers.BooleanField()
    server = serializers.UUIDField()


class NotReceivedSerializer(serializers.Serializer):
    """Why a delivery is not kept, in one sentence."""

    detail = serializers.CharField()


class Webhook(APIView):
    """Checks the signature, keeps the delivery, answers; the pipeline does the rest.

    Newer CVATs end a delivery at a 4xx and try again after a 5xx: "not now" is a 503.
    """

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()

    @extend_schema(
        operation_id="cvat_webhook", request=OpenApiTypes.OBJECT, auth=[],
        parameters=[
            OpenApiParameter(
                SIGNATURE_HEADER, str, OpenApiParameter.HEADER,
                description="`sha256=` and the HMAC of the body with the secret of the server",
            )
        ],
        responses={200: ReceiptSerializer}
        | dict.fromkeys((403, 404, 413, 429, 503), NotReceivedSerializer),
    )  # fmt: skip
    def post(self, request: Request, uuid: UUID) -> Response:
        """Keep a delivery of CVAT, which alone calls this, signed."""
        raw: HttpRequest = request._request
        forger = f"forged-webhooks-{raw.META.get('REMOTE_ADDR', '')}"
        if cache.get(forger, 0) >= FORGED_PER_MINUTE:
            said = "Too many deliveries from this address had an invalid signature."
            return Response({"detail": said}, status=429, headers={"Retry-After": "60"})
        if int(raw.headers.get("Content-Length") or 0) > LARGEST:
            return Response({"detail": "This is too large to be an event."}, status=413)
        try:
            server = CvatServer.objects.filter(uuid=uuid).first()
            if server is None:
                return Response({"detail": "There is no such server."}, status=404)
            receive(server, raw.body, raw.headers.get(SIGNATURE_HEADER))
        except InvalidSignatureError as error:
            cache.add(forger, 0, timeout=60)
            with suppress(ValueError):  # its minute has just ended
                cache.incr(forger)
            return Response({"detail": str(error)}, status=403)
        except (DatabaseError, InterfaceError, DecryptionError, OSError) as error:
            logger.error("A delivery of CVAT could not be kept: %s", error)
            return Response({"detail": "Not now; try again."}, status=503)
        return Response({"ok": True, "server": str(uuid)})
