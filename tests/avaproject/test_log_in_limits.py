import pytest
from django.test import Client
from django.urls import reverse

from avaproject.log_in_limits import (
    COOKIE,
    FROM_ADDRESS,
    FROM_ADDRESS_WITH_NAME,
    FROM_DEVICE,
    WITH_NAME,
)

pytestmark = pytest.mark.django_db
PASSWORD = "right-and-long"


@pytest.fixture
def admin(django_user_model):
    return django_user_model.objects.create_superuser("admin", password=PASSWORD)


def log_in(client, password=PASSWORD, *, name="admin", address="10.0.0.1", **headers):
    form = {"username": name, "password": password}
    return client.post(reverse("login"), form, REMOTE_ADDR=address, **headers)


def is_locked(response) -> bool:
    return "Too many login attempts" in response.content.decode()


def test_a_name_is_refused_to_an_address_after_a_few_wrong_passwords(admin):
    for _ in range(FROM_ADDRESS_WITH_NAME - 1):
        assert not is_locked(log_in(Client(), "wrong"))
    assert is_locked(log_in(Client(), "wrong"))
    assert is_locked(log_in(Client()))


def test_wrong_passwords_from_one_address_do_not_lock_a_user_out_elsewhere(admin):
    for _ in range(3 * WITH_NAME):
        log_in(Client(), "wrong", address="203.0.113.9")
    assert log_in(Client(), address="10.0.0.1").status_code == 302


def test_many_names_from_one_address_are_refused(admin):
    answers = [log_in(Client(), "wrong", name=f"user{n}") for n in range(FROM_ADDRESS)]
    assert not is_locked(answers[-2])
    assert is_locked(answers[-1])
    assert is_locked(log_in(Client()))
    assert log_in(Client(), address="10.0.0.2").status_code == 302


def test_one_name_from_many_addresses_is_refused(admin):
    for n in range(WITH_NAME):
        answer = log_in(Client(), "wrong", address=f"10.0.1.{n}")
    assert is_locked(answer)
    assert is_locked(log_in(Client(), address="10.0.2.1"))


def test_other_browser_names_raise_no_limit(admin):
    for n in range(FROM_ADDRESS_WITH_NAME):
        answer = log_in(Client(), "wrong", HTTP_USER_AGENT=f"browser {n}")
    assert is_locked(answer)


def test_a_known_device_passes_when_its_name_and_address_are_refused(admin):
    known = Client()
    assert log_in(known).status_code == 302
    for n in range(WITH_NAME):
        log_in(Client(), "wrong", address=f"10.0.1.{n}")
        log_in(Client(), "wrong", name=f"user{n}")
    assert is_locked(log_in(Client()))
    known.cookies.pop("sessionid", None)
    assert log_in(known).status_code == 302


def test_a_known_device_has_its_own_limit(admin):
    known = Client()
    log_in(known)
    known.cookies.pop("sessionid", None)
    for _ in range(FROM_DEVICE - 1):
        assert not is_locked(log_in(known, "wrong"))
    assert is_locked(log_in(known, "wrong"))
    assert is_locked(log_in(known))


def test_a_device_is_known_for_its_user_only(admin, django_user_model):
    django_user_model.objects.create_user("kim", password=PASSWORD)
    known = Client()
    log_in(known, name="kim")
    known.cookies.pop("sessionid", None)
    for _ in range(FROM_ADDRESS_WITH_NAME):
        answer = log_in(known, "wrong")
    assert is_locked(answer)


@pytest.mark.parametrize("forged", ["x", '["admin", "1"]', "a:b:c", ""])
def test_a_forged_cookie_is_no_known_device(admin, forged):
    client = Client()
    client.cookies[COOKIE] = forged
    for _ in range(FROM_ADDRESS_WITH_NAME):
        answer = log_in(client, "wrong", HTTP_USER_AGENT="known device 1")
    assert is_locked(answer)


def test_refused_attempts_do_not_prolong_the_lock(admin, monkeypatch):
    from axes.models import AccessAttempt

    for _ in range(FROM_ADDRESS_WITH_NAME):
        log_in(Client(), "wrong")
    before = AccessAttempt.objects.get().attempt_time
    log_in(Client(), "wrong")
    assert AccessAttempt.objects.get().attempt_time == before


def test_passwords_are_kept_as_argon2_and_older_ones_are_renewed(
    db, settings, django_user_model
):
    settings.PASSWORD_HASHERS = [
        "avaproject.log_in_limits.Argon2",
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    ]
    user = django_user_model(username="kim")
    from django.contrib.auth.hashers import make_password

    user.password = make_password(PASSWORD, hasher="pbkdf2_sha256")
    user.save()
    assert log_in(Client(), name="kim").status_code == 302
    user.refresh_from_db()
    assert user.password.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


def test_a_failed_log_in_is_logged_and_a_good_one_writes_nothing(admin, caplog):
    assert log_in(Client()).status_code == 302
    assert not caplog.records
    log_in(Client(), "wrong")
    assert any(one.name.startswith("axes") for one in caplog.records)
