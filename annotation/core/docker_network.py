"""Docker Compose override that lets CVAT's containers send webhooks to a private address.

They send webhooks through Smokescreen, a proxy that blocks private addresses unless
`SMOKESCREEN_OPTS` allows them. CVAT's server sends pings, a worker sends the other deliveries.
"""

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

SERVICES = ("cvat_server", "cvat_worker_webhooks")
DOCKER_HOST = "host.docker.internal"
BRIDGE_NETWORKS = ("172.16.0.0/12", "192.168.0.0/16")  # Docker's default address pools
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


def is_local(url: str) -> bool:
    """Whether `url` is on localhost, which inside a container is the container itself.

    >>> is_local("http://localhost:8000"), is_local("http://ava.example.org")
    (True, False)
    """
    return urlsplit(url).hostname in LOCAL_HOSTS


def url_from_docker(url: str) -> str:
    """`url` as a container on the same machine reaches it.

    >>> url_from_docker("http://127.0.0.1:8000")
    'http://host.docker.internal:8000'
    """
    if not is_local(url):
        return url
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{DOCKER_HOST}{port}"


def compose_override(url: str, addresses: Sequence[str]) -> str:
    """A `docker-compose.override.yml` for CVAT that lets it reach `url`.

    Args:
        url: The callback address that CVAT uses.
        addresses: The IP addresses of its host; only private ones need to be allowed.
    """
    host = urlsplit(url).hostname or ""
    private = [one for one in addresses if _is_private(one)]
    if host == DOCKER_HOST or not private:
        options = " ".join(f"--allow-range={one}" for one in BRIDGE_NETWORKS)
    else:
        options = " ".join(f"--allow-address={one}" for one in private)
    lines = ["services:"]
    for service in SERVICES:
        lines += [f"  {service}:", "    environment:", f'      SMOKESCREEN_OPTS: "{options}"']
        if host == DOCKER_HOST:
            lines += ["    extra_hosts:", f'      - "{DOCKER_HOST}:host-gateway"']
    return "\n".join(lines) + "\n"


def _is_private(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_private
    except ValueError:
        return False
