"""The production files, as far as they can be checked without a container engine."""

import re
import shutil
import subprocess
import sys
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
        "s3",
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
            if "-Q" in service.get("command", []) and profile in service["profiles"]
        ]
        assert sorted(queues) == sorted(QUEUES)


def test_the_gpu_worker_alone_reserves_a_gpu():
    with_devices = [name for name, service in SERVICES.items() if "deploy" in service]
    assert with_devices == ["worker-gpu"]
    [device] = SERVICES["worker-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["driver"] == "nvidia"
    assert SERVICES["worker-gpu"]["build"]["target"] == "gpu"


def test_only_workers_that_detect_have_torch():
    targets = {name: SERVICES[name]["build"]["target"] for name in OURS}
    with_torch = {name for name, target in targets.items() if target != "web"}
    assert with_torch == {"worker-detect", "worker-gpu"}
    stages = re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.MULTILINE)
    assert set(targets.values()) <= set(stages)
    for name in OURS:
        assert SERVICES[name]["image"] == f"ava-studio:{targets[name]}"


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_no_rights_that_it_does_not_need(name):
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["logging"]["options"]["max-size"]


@pytest.mark.parametrize("name", OURS)
def test_our_containers_get_no_capability_back(name):
    assert "cap_add" not in SERVICES[name]
    assert "user" not in SERVICES[name]


def test_secrets_are_files_and_only_where_they_are_needed():
    given = {name: set(service.get("secrets", ())) for name, service in SERVICES.items()}
    ours = {"postgres_password", "secret_key"}
    others = {"db": {"postgres_password"}, "redis": set(), "proxy": set(), "s3": {"s3_config"}}
    assert given == dict.fromkeys(OURS, ours) | others
    for secret in COMPOSE["secrets"].values():
        assert secret["file"].startswith("./secrets/")
    assert "secrets/" in (ROOT / ".gitignore").read_text().splitlines()


def test_database_and_broker_are_in_a_network_without_a_way_out():
    assert COMPOSE["networks"]["inner"]["internal"]
    for name in ("db", "redis"):
        assert SERVICES[name]["networks"] == ["inner"]
        assert "ports" not in SERVICES[name]


def test_the_proxy_has_the_address_that_is_believed():
    address = SERVICES["proxy"]["networks"]["front"]["ipv4_address"]
    assert SERVICES["web"]["environment"]["AVA_PROXIES"] == f"${{AVA_PROXIES:-{address}}}"


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in ("proxy", "s3")])
def test_every_service_can_be_started_alone_or_with_all(name):
    profiles = SERVICES[name]["profiles"]
    assert name in profiles
    assert {"cpu", "gpu"} & set(profiles)
    for needed in SERVICES[name].get("depends_on", {}).values():
        assert not needed["required"]


def test_only_what_the_image_needs_is_sent_to_the_builder():
    ignored, *kept = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert ignored == "*"
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    sources = {source for line in copied for source in line.split()}
    assert {f"!{source}" for source in sources} == {line for line in kept if line[0] == "!"}


def test_the_dockerfile_has_no_faults():
    subprocess.run(
        [Path(sys.executable).with_name("hadolint"), ROOT / "Dockerfile"], check=True
    )


@pytest.mark.parametrize("name", OURS)
def test_our_services_share_one_database_broker_and_volume(name):
    environment = SERVICES[name]["environment"]
    assert "@db:5432/ava" in environment["AVA_DATABASE_URL"]
    assert "redis://redis:6379/0" in environment["AVA_REDIS_URL"]
    assert SERVICES[name]["volumes"] == ["data:/data", "scratch:/scratch"]


@pytest.mark.parametrize("name", OURS)
def test_only_settings_that_exist_are_set(name):
    read = (ROOT / "avaproject/settings.py").read_text()
    for variable in SERVICES[name]["environment"]:
        assert f'"{variable.removesuffix("_FILE")}"' in read


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


def test_a_password_is_no_part_of_an_address():
    environment = SERVICES["web"]["environment"]
    assert environment["AVA_DATABASE_URL"] == "${AVA_DATABASE_URL:-postgres://ava@db:5432/ava}"
    assert environment["AVA_DATABASE_PASSWORD_FILE"] == "/run/secrets/postgres_password"


def test_the_image_has_every_app_and_runs_without_root():
    copied = set(re.findall(r"^COPY (\w+) \1$", DOCKERFILE, re.MULTILINE))
    apps = {app for app in settings.INSTALLED_APPS if (ROOT / app).is_dir()}
    assert apps | {"avaproject", "templates", "static", "docs"} == copied
    for target in ("web", "cpu", "gpu"):
        stage = re.split(rf"^FROM \S+ AS {target}$", DOCKERFILE, flags=re.MULTILINE)[1]
        assert "\nUSER 1000\n" in stage.partition("\nFROM ")[0]


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


def has_compose() -> bool:
    command = ["docker", "compose", "version"]
    return bool(shutil.which("docker")) and not subprocess.run(command, check=False).returncode


@pytest.mark.skipif(not has_compose(), reason="needs Docker")
def test_compose_takes_the_file():
    command = ["docker", "compose", "--profile", "*", "config", "--quiet"]
    subprocess.run(command, cwd=ROOT, check=True)
