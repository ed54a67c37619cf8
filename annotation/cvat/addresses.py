"""Addresses that may be requested: operators enter them, and the request comes from inside.

Checked where a connection is made, after the name was resolved: a name may point anywhere, and
elsewhere a moment later. Metadata services of clouds, which hand out credentials, are local to
a link and never requested; this machine and private networks only if a setting allows it.
"""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import urllib3
from django.conf import settings
from django.utils.translation import gettext
from urllib3.connection import HTTPConnection, HTTPSConnection

from annotation.cvat.errors import CvatDeniedError

METADATA = (ip_network("100.100.100.200/32"), ip_network("fd00:ec2::254/128"))


def check_permitted(host: str, address: str) -> None:
    """Raise CvatDeniedError if `address`, to which `host` was resolved, is not permitted."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        found = found.ipv4_mapped or found.sixtofour or found
    if _is_never_permitted(found):
        raise CvatDeniedError(
            gettext(
                "%(host)s is %(found)s, an address that is local to a link or reserved: "
                "enter the address of CVAT"
            )
            % {"host": host, "found": found}
        )
    if not found.is_global and not settings.PRIVATE_ADDRESSES:
        raise CvatDeniedError(
            gettext(
                "%(host)s is %(found)s, on this machine or a private network: if CVAT is "
                "there, set AVA_PRIVATE_ADDRESSES=True"
            )
            % {"host": host, "found": found}
        )


def guard(pools: urllib3.PoolManager) -> None:
    """Let `pools` connect to permitted addresses only; a proxy in use decides for itself."""
    if not isinstance(pools, urllib3.ProxyManager):
        pools.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}


def _is_never_permitted(address: IPv4Address | IPv6Address) -> bool:
    return (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or (address.is_reserved and not address.is_loopback)
        or any(address in network for network in METADATA)
    )


class _Guarded:
    """Checks what the host is resolved to, and then the peer: both may differ."""

    def _new_conn(self: Any) -> socket.socket:
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            found = []  # urllib3 says it
        for *_, address in found:
            check_permitted(self.host, str(address[0]))
        connected: socket.socket = super()._new_conn()  # type: ignore[misc]
        try:
            check_permitted(self.host, connected.getpeername()[0])
        except CvatDeniedError:
            connected.close()
            raise
        return connected


class _HTTP(_Guarded, HTTPConnection):
    pass


class _HTTPS(_Guarded, HTTPSConnection):
    pass


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTP


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPS
