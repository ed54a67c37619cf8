import pytest

from annotation.core.sealing import SealBrokenError, seal, unseal


def test_a_sealed_secret_does_not_show_and_is_sealed_anew_each_time():
    sealed = seal("a-token", ["key"])
    assert "a-token" not in sealed
    assert seal("a-token", ["key"]) != sealed
    assert unseal(sealed, ["key"]) == "a-token"


def test_an_old_key_still_opens():
    assert unseal(seal("é", ["old"]), ["new", "old"]) == "é"


@pytest.mark.parametrize(
    "sealed",
    [pytest.param(seal("a", ["other"]), id="another key"), "not sealed", "gAAAA"],
)
def test_what_no_key_opens_is_said(sealed):
    with pytest.raises(SealBrokenError, match="AVA_SECRETS_KEY"):
        unseal(sealed, ["key"])
