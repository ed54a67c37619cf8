"""How CVAT in Docker is allowed to reach us: it keeps its webhooks away from private networks.

CVAT's containers send webhooks through Smokescreen, which refuses private addresses unless
`SMOKESCREEN_OPTS` allows them. The server itself sends pings, a worker of its own the rest.
"""

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

SERVICES = ("cvat_server", "cvat_worker_webhooks")
HOST_OF_DOCKER = "host.docker.internal"
BRIDGES = ("172.16.0.0/12", "192.168.0.0/16")  # where Docker puts its own networks
LOCAL = ("localhost", "127.0.0.1", "::1")


def is_local(url: str) -> bool:
    """Whether `url` means "this very machine", which a container takes for itself.

    >>> is_local("http://localhost:8000"), is_local("http://ava.example.org")
    (True, False)
    """
    return urlsplit(url).hostname in LOCAL


def seen_from_docker(url: str) -> str:
    """`url` as a container on the same machine reaches it.

    >>> seen_from_docker("http://127.0.0.1:8000")
    'http://host.docker.internal:8000'
    """
    if not is_local(url):
        return url
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{HOST_OF_DOCKER}{port}"


def compose_override(url: str, addresses: Sequence[str]) -> str:
    """A `docker-compose.override.yml` for CVAT that lets it reach `url`.

    Args:
        url: Our address as CVAT is to use it.
        addresses: What its host's name means here; only private ones need to be allowed.
    """
    host = urlsplit(url).hostname or ""
    private = [one for one in addresses if _is_private(one)]
    if host == HOST_OF_DOCKER or not private:
        options = " ".join(f"--allow-range={one}" for one in BRIDGES)
    else:
        options = " ".join(f"--allow-address={one}" for one in private)
    lines = ["services:"]
    for service in SERVICES:
        lines += [f"  {service}:", "    environment:", f'      SMOKESCREEN_OPTS: "{options}"']
        if host == HOST_OF_DOCKER:
            lines += ["    extra_hosts:", f'      - "{HOST_OF_DOCKER}:host-gateway"']
    return "\n".join(lines) + "\n"


def _is_private(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_private
    except ValueError:
        return False
