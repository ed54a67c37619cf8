import pytest

from annotation.core.encryption import DecryptionError, decrypt, encrypt


def test_a_sealed_secret_does_not_show_and_is_sealed_anew_each_time():
    sealed = encrypt("a-token", ["key"])
    assert "a-token" not in sealed
    assert encrypt("a-token", ["key"]) != sealed
    assert decrypt(sealed, ["key"]) == "a-token"


def test_an_old_key_still_opens():
    assert decrypt(encrypt("é", ["old"]), ["new", "old"]) == "é"


@pytest.mark.parametrize(
    "sealed",
    [pytest.param(encrypt("a", ["other"]), id="another key"), "not sealed", "gAAAA"],
)
def test_what_no_key_opens_is_said(sealed):
    with pytest.raises(DecryptionError, match="AVA_SECRETS_KEY"):
        decrypt(sealed, ["key"])
