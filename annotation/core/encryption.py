"""Encryption of the secrets stored in the database (Fernet: encrypted and authenticated).

The first key encrypts, every key decrypts: to rotate keys, prepend the new one, save the
secrets again, then remove the old one.
"""

import base64
from collections.abc import Sequence
from hashlib import sha256

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class DecryptionError(ValueError):
    """None of the keys decrypts the secret."""


def encrypt(secret: str, keys: Sequence[str]) -> str:
    """`secret` encrypted with the first of `keys`; "" stays "".

    >>> encrypt("", ["k"]), decrypt(encrypt("token", ["new", "old"]), ["new"])
    ('', 'token')
    """
    return _fernet(keys).encrypt(secret.encode()).decode() if secret else ""


def decrypt(encrypted: str, keys: Sequence[str]) -> str:
    """What `encrypt` was given. Raises DecryptionError if no key fits."""
    if not encrypted:
        return ""
    try:
        return _fernet(keys).decrypt(encrypted.encode()).decode()
    except InvalidToken as error:
        raise DecryptionError(
            "it was encrypted with another key: set AVA_SECRETS_KEY as it was, or enter the "
            "password or token again"
        ) from error


def _fernet(keys: Sequence[str]) -> MultiFernet:
    """Keys are random texts of any length, hashed to the 32 bytes that Fernet takes."""
    return MultiFernet(
        [Fernet(base64.urlsafe_b64encode(sha256(key.encode()).digest())) for key in keys]
    )
