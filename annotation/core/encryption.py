"""Secrets as they lie in the database: encrypted and signed (Fernet), or not at all.

The first key seals, every key opens: to change keys, put the new one in front, save the secrets
anew, then take the old one away.
"""

import base64
from collections.abc import Sequence
from hashlib import sha256

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class DecryptionError(ValueError):
    """None of the keys opens the secret."""


def encrypt(secret: str, keys: Sequence[str]) -> str:
    """`secret` encrypted with the first of `keys`; "" stays "".

    >>> encrypt("", ["k"]), decrypt(encrypt("token", ["new", "old"]), ["new"])
    ('', 'token')
    """
    return _box(keys).encrypt(secret.encode()).decode() if secret else ""


def decrypt(sealed: str, keys: Sequence[str]) -> str:
    """What `encrypt` was given. Raises DecryptionError if no key fits."""
    if not sealed:
        return ""
    try:
        return _box(keys).decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise DecryptionError(
            "it was encrypted with another key: set AVA_SECRETS_KEY as it was, or enter the "
            "password or token again"
        ) from error


def _box(keys: Sequence[str]) -> MultiFernet:
    """Keys are random texts of any length, stretched to the 32 bytes that Fernet takes."""
    return MultiFernet(
        [Fernet(base64.urlsafe_b64encode(sha256(key.encode()).digest())) for key in keys]
    )
