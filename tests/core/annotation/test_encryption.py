import pytest

from annotation.core.encryption import DecryptionError, decrypt, encrypt


def test_an_encrypted_secret_is_unreadable_and_differs_each_time():
    encrypted = encrypt("a-token", ["key"])
    assert "a-token" not in encrypted
    assert encrypt("a-token", ["key"]) != encrypted
    assert decrypt(encrypted, ["key"]) == "a-token"


def test_an_old_key_still_decrypts():
    assert decrypt(encrypt("é", ["old"]), ["new", "old"]) == "é"


@pytest.mark.parametrize(
    "encrypted",
    [pytest.param(encrypt("a", ["other"]), id="another key"), "not encrypted", "gAAAA"],
)
def test_a_secret_that_no_key_decrypts_is_an_error(encrypted):
    with pytest.raises(DecryptionError, match="AVA_SECRETS_KEY"):
        decrypt(encrypted, ["key"])
