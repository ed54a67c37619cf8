"""The environment variables of a deployment, read and checked by `avaproject/settings.py`.

An empty value is the default, `NAME_FILE` names a file that holds the value, and a `$` means
itself. A value that is not valid stops the start with the name of its variable, and is itself
never shown: it may be a password.
"""

import os
import re
from collections.abc import Callable, Collection
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import environ
from django.core.exceptions import ImproperlyConfigured

FLAGS = {
    "true": True, "yes": True, "on": True, "1": True, "y": True,
    "false": False, "no": False, "off": False, "0": False, "n": False,
}  # fmt: skip


class Environment(environ.Env):
    """`env.str`, `env.int` (1 or more), `env.bool` and `env.list` (separated by commas)."""

    def get_value(
        self, var: str, cast: Any = None, default: Any = None, parse_default: bool = False
    ) -> Any:
        text = read(var)
        if text == "":
            return default
        try:
            return CASTS[cast](text)
        except ValueError as error:
            raise ImproperlyConfigured(f"{var} is not valid: {error}") from None

    def choice(self, var: str, choices: Collection[str], default: str) -> str:
        """One of `choices`, in small or capital letters."""
        text = read(var) or default
        found = {one.lower(): one for one in choices}.get(text.lower())
        if found is None:
            raise ImproperlyConfigured(f"{var} must be one of {', '.join(choices)}")
        return found

    def folder(self, var: str, default: Path) -> Path:
        """A folder, made if it is missing."""
        try:
            path = Path(read(var) or default).resolve()
            path.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ImproperlyConfigured(f"{var} cannot be used: {reason}") from None
        return path

    def time_zone(self, var: str, default: str) -> str:
        """The name of a time zone, such as Europe/Berlin."""
        name = read(var) or default
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ImproperlyConfigured(
                f"{var} must be the name of a time zone, such as Europe/Berlin"
            ) from error
        return name

    def address(self, var: str, *schemes: str) -> str:
        """A URL with one of `schemes` and a host, without a slash at its end; or empty."""
        text = read(var).rstrip("/")
        if text and not _is_address(text, schemes):
            begin = " or ".join(f"{scheme}://" for scheme in schemes)
            raise ImproperlyConfigured(f"{var} must be an address that begins with {begin}")
        return text

    def networks(self, var: str) -> list[IPv4Network | IPv6Network]:
        """Addresses and networks, separated by commas."""
        found = []
        for word in self.list(var, default=[]):
            try:
                found.append(ip_network(word))
            except ValueError:
                raise ImproperlyConfigured(
                    f"{var} must hold addresses or networks, such as 10.0.0.5 or 10.0.0.0/24"
                ) from None
        return found

    def email(self, var: str) -> dict[str, Any]:
        """Django's settings of the mail server at an address; none if it is empty."""
        text = read(var)
        if not text:
            return {}
        try:
            return dict(self.email_url_config(text))
        except (ValueError, KeyError, ImproperlyConfigured):
            raise ImproperlyConfigured(f"{var} must be an address such as {EMAIL}") from None

    def database(self, var: str, default: str, *, password: str) -> dict[str, Any]:
        """The database at an address such as `postgres://user@host:5432/name`.

        A password of its own variable may have any characters; in an address some have to be
        escaped.
        """
        address = self.get_value(var, str, default)
        config: dict[str, Any] = {}
        if address.partition("://")[0] in SCHEMES:  # of others it would show the password
            with suppress(ValueError, KeyError, ImproperlyConfigured):
                config = dict(self.db_url_config(address))
        if not config.get("NAME"):
            raise ImproperlyConfigured(
                f"{var} must be an address such as postgres://user@host:5432/name or "
                f"sqlite:///path. A password with special characters goes into {password}."
            )
        return config | ({"PASSWORD": own} if (own := read(password)) else {})


EMAIL = "smtp://user@host:25 or smtp+tls://user@host:587"
SCHEMES = ("sqlite", "postgres", "postgresql")
LINE = re.compile(r"(export )?\w+\s*=|\s*(#|$)")  # of a file with variables


def read_file(path: Path) -> None:
    """Take the variables in a file that the environment has not. Lines are `NAME=value`.

    Raises ImproperlyConfigured for a line that is not.
    """
    if not path.is_file():
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not LINE.match(line):
            raise ImproperlyConfigured(f"line {number} of {path} is not NAME=value")
    Environment.read_env(path)


def read(var: str) -> str:
    """The text of a variable, or of the file that `<var>_FILE` names; empty if neither is set.

    Raises ImproperlyConfigured if the file cannot be read.
    """
    path = os.environ.get(f"{var}_FILE", "")
    if not path:
        text = os.environ.get(var, "")
        return text if text.strip() else ""
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ImproperlyConfigured(f"{var}_FILE cannot be read: {reason}") from None


def _is_address(text: str, schemes: Collection[str]) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 18 and int(text) >= 1):
        raise ValueError("it must be a whole number, 1 or more")
    return int(text)


def _flag(text: str) -> bool:
    if text.lower() not in FLAGS:
        raise ValueError("it must be True or False")
    return FLAGS[text.lower()]


def _words(text: str) -> list[str]:
    return [word for part in text.split(",") if (word := part.strip())]


CASTS: dict[Any, Callable[[str], Any]] = {str: str, int: _whole, bool: _flag, list: _words}
