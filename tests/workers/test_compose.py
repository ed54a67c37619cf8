"""The production files, as far as they can be checked without a container engine."""

import re
from pathlib import Path

import pytest
import yaml
from django.conf import settings

from workers.pipeline import QUEUES
from workers.tasks import advance, move_files

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
OURS = [name for name, service in SERVICES.items() if "build" in service]


def test_every_service_is_defined():
    parts = {
        "db",
        "proxy",
        "redis",
        "migrate",
        "web",
        "beat",
        "worker-cpu",
        "worker-detect",
        "worker-gpu",
    }
    assert set(SERVICES) == parts


def test_each_queue_has_its_worker_with_and_without_a_gpu():
    for profile in ("cpu", "gpu"):
        queues = [
            service["command"][service["command"].index("-Q") + 1]
            for service in SERVICES.values()
            if "-Q" in service.get("command", [])
            and service.get("profiles", [profile]) == [profile]
        ]
        assert sorted(queues) == sorted(QUEUES)


def test_the_gpu_worker_alone_reserves_a_gpu():
    with_devices = [name for name, service in SERVICES.items() if "deploy" in service]
    assert with_devices == ["worker-gpu"]
    [device] = SERVICES["worker-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["driver"] == "nvidia"
    assert SERVICES["worker-gpu"]["build"]["args"]["TORCH"] == "cuda"
    assert SERVICES["worker-gpu"]["image"] != SERVICES["worker-detect"]["image"]


@pytest.mark.parametrize("name", OURS)
def test_our_services_share_one_database_broker_and_volume(name):
    environment = SERVICES[name]["environment"]
    assert "@db:5432/ava" in environment["AVA_DATABASE_URL"]
    assert environment["AVA_REDIS_URL"] == "redis://redis:6379/0"
    assert SERVICES[name]["volumes"] == ["data:/data"]


@pytest.mark.parametrize("name", OURS)
def test_only_settings_that_exist_are_set(name):
    read = (ROOT / "avaproject/settings.py").read_text()
    for variable in SERVICES[name]["environment"]:
        assert f'"{variable}"' in read


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "migrate"])
def test_services_have_health_checks_and_restart(name):
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert SERVICES[name]["healthcheck"]["test"]


def test_nothing_starts_before_the_migration():
    for name in OURS:
        waits_for = SERVICES[name]["depends_on"]
        if name == "migrate":
            assert waits_for["db"]["condition"] == "service_healthy"
        else:
            assert waits_for["migrate"]["condition"] == "service_completed_successfully"


def test_named_volumes_and_services_exist():
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            is_given = source in COMPOSE["volumes"] or source == "./certificates"
            assert is_given or (ROOT / source).exists()
        assert set(service.get("depends_on", {})) <= set(SERVICES)


def test_secrets_have_no_default():
    assert re.search(r"\$\{POSTGRES_PASSWORD:\?", (ROOT / "docker-compose.yml").read_text())


def test_a_password_is_no_part_of_an_address():
    environment = SERVICES["web"]["environment"]
    assert environment["AVA_DATABASE_URL"] == "postgres://ava@db:5432/ava"
    assert environment["AVA_DATABASE_PASSWORD"].startswith("${POSTGRES_PASSWORD")


def test_the_image_has_every_app_and_runs_without_root():
    copied = set(re.findall(r"^COPY (\w+) \1$", DOCKERFILE, re.MULTILINE))
    apps = {app for app in settings.INSTALLED_APPS if (ROOT / app).is_dir()}
    assert apps | {"avaproject", "templates", "static", "docs"} == copied
    assert re.search(r"^USER ava$", DOCKERFILE, re.MULTILINE)


def test_image_and_launcher_install_the_same_libraries():
    [wanted] = re.findall(r"^APT = .*install -y ([^\"]+)\"", (ROOT / "ava").read_text(), re.M)
    assert f"--no-install-recommends {wanted} " in DOCKERFILE


def test_messages_of_beat_expire():
    schedule = settings.CELERY_BEAT_SCHEDULE
    assert schedule["move files"]["options"]["expires"] <= 10
    assert {entry["task"] for entry in schedule.values()} == {advance.name, move_files.name}


def test_redis_may_lose_or_repeat_messages():
    options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    assert options["visibility_timeout"] > settings.CELERY_TASK_TIME_LIMIT
    assert settings.CELERY_TASK_ACKS_LATE
    assert settings.CELERY_TASK_REJECT_ON_WORKER_LOST
    assert settings.CELERY_TASK_IGNORE_RESULT
    assert settings.CELERY_WORKER_PREFETCH_MULTIPLIER == 1
