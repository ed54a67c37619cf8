import pytest
from django.core.management import CommandError, call_command

from annotation.core.encryption import DecryptionError
from annotation.models import CvatServer

pytestmark = pytest.mark.django_db


def make_server(name: str, **credentials: str) -> CvatServer:
    server = CvatServer(name=name, url="https://cvat.example.org")
    server.set_credentials(**credentials)
    server.renew_secret()
    server.save()
    return server


def test_after_it_the_old_key_is_needed_no_more(settings, capsys):
    settings.SECRETS_KEYS = ["old"]
    token = make_server("a", token="t0ken")
    password = make_server("b", user="kim", password="pass/word")
    secret = token.secret
    settings.SECRETS_KEYS = ["new", "old"]
    for _ in range(2):
        call_command("reencrypt_credentials")
        assert "Encrypted anew: a, b." in capsys.readouterr().out
    settings.SECRETS_KEYS = ["new"]
    token.refresh_from_db()
    password.refresh_from_db()
    assert (token.token, token.secret) == ("t0ken", secret)
    assert (password.user, password.password) == ("kim", "pass/word")


def test_nothing_is_changed_if_one_cannot_be_decrypted(settings):
    settings.SECRETS_KEYS = ["old"]
    readable = make_server("a", token="t0ken")
    settings.SECRETS_KEYS = ["lost"]
    make_server("b", token="other")
    settings.SECRETS_KEYS = ["new", "old"]
    with pytest.raises(CommandError, match="Nothing was changed"):
        call_command("reencrypt_credentials")
    settings.SECRETS_KEYS = ["new"]
    readable.refresh_from_db()
    with pytest.raises(DecryptionError):
        _ = readable.token
