"""Installations of version 0.2.0, migrated to the newest state, and everything opened there."""

import hashlib
import json
import re
from collections.abc import Iterator
from fnmatch import fnmatch

import pytest

from tests.upgrade.installations import (
    NEEDS_POSTGRESQL,
    RELEASE,
    ROOT,
    Settings,
    contents,
    manage,
    postgresql_installation,
    release_folder,
    sqlite_installation,
)

# A migration that was released is never edited: what comes after is a migration of its own.
FIRST_MIGRATIONS = {
    "annotation/migrations/0001_initial.py":
        "0be293ee44542ccab7125374a3eb8b72f87ea6423a99bc2587750e537305af68",
    "datasets/migrations/0001_initial.py":
        "24189a0a87d8ddef93a17c048153c0855c2a85dba6d90ee8fe9efc279e2f6b72",
    "qc/migrations/0001_initial.py":
        "3d46c7b3f6b79ddf5f7217873aac7d40b8a9f3e80213699cfcaef034020cf8b1",
    "tracking/migrations/0001_initial.py":
        "e3bd89450f2763ea119ff390cea5d6130beef0eb14c3713d5664ae4c9c9d9364",
    "workers/migrations/0001_initial.py":
        "5d48fa00321000969f93e8c1e3dfc3985c5e5035280821694b7e62b42c0a8fea",
}  # fmt: skip
# Kinds of pages, files and answers of the API that 0.2.0 had, by the names of their addresses.
PAGES = {
    "annotation:backup",
    "annotation:backups",
    "annotation:cvat",
    "annotation:cvat_boxes",
    "annotation:cvat_connect",
    "annotation:cvat_deliveries",
    "annotation:cvat_members",
    "annotation:package",
    "annotation:packages",
    "annotation:plan",
    "annotation:server",
    "annotation:server_edit",
    "annotation:server_new",
    "annotation:servers",
    "datasets:clip-file",
    "datasets:delete",
    "datasets:delete-video",
    "datasets:list",
    "datasets:new",
    "datasets:poster",
    "datasets:upload",
    "datasets:videos",
    "qc:adjudication",
    "qc:adjudication-next",
    "qc:agreement",
    "qc:agreement-annotator",
    "qc:agreement-clip",
    "qc:agreement-group",
    "qc:agreement-pair",
    "qc:approve-by-threshold",
    "qc:clip",
    "qc:clips",
    "qc:decisions",
    "qc:gold",
    "qc:overview",
    "qc:proposals",
    "qc:quality-rules",
    "qc:release-card",
    "qc:release-download",
    "qc:release-new",
    "qc:releases",
    "qc:review",
    "qc:scene",
    "qc:task",
    "qc:tasks",
    "qc:third-opinions",
    "tracking:api-bundle",
    "tracking:api-bundle-file",
    "tracking:api-bundles",
    "api:datasets",
    "tracking:bundle-file",
    "tracking:page",
    "tracking:run",
    "tracking:sheet",
    "tracking:tracks",
    "workers:help",
    "workers:help-page",
    "workers:password",
    "workers:work",
    "workers:help-image",
}
ONLY_POST = 405
# What newer versions write otherwise, and why; all other files have the same bytes.
CHANGED = {
    "README.md": "intervals stand only where they hold; figures, datasheet, a header for hubs",
    "card.html": "the same",
    "CITATION.cff": "date, abstract, keywords and a semantic version",
    "settings.json": "the actions of each group",
    "configs/mmaction2_*.py": "they load by themselves",
    "configs/slowfast_ava.yaml": "how options are given, in a comment",
    "provenance.parquet": "the share of votes for each label",
    "formats/coco/*.json": "pixels of the frames, which are smaller than the clips",
    "formats/mot/*": "the same, from 1",
    "formats/parquet/*.parquet": "the size of the frames",
    "formats/tubes/tubes.pkl": "the same",
}
NEW = {
    "METHODS.md": "how the labels were made, in sentences for a paper",
    "croissant.json": "the release for machines",
    "provenance_*.parquet": "boxes and proposals as they were given",
    "check.py": "the release checks itself",
    "checker/*": "the same",
}


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory) -> Settings:
    return sqlite_installation(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory) -> Iterator[Settings]:
    with postgresql_installation(tmp_path_factory.mktemp("data")) as environment:
        yield environment


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=NEEDS_POSTGRESQL)]
)
def migrated(request) -> Settings:
    return request.getfixturevalue(request.param)


@pytest.mark.slow
def test_every_kind_of_page_opens_after_migration(migrated):
    found = json.loads(manage(migrated, "-m", "tests.upgrade.open_pages"))
    failed = {url: status for url, status in found["pages"].items() if status >= 400}
    assert {url: status for url, status in failed.items() if status != ONLY_POST} == {}
    assert {kind for kind, status in found["kinds"].items() if status == 200} >= PAGES


@pytest.mark.slow
def test_the_release_is_made_again_with_the_same_bytes(migrated):
    formats = sorted(path.name for path in (release_folder(migrated, 2) / "formats").iterdir())
    options = [word for name in formats for word in ("--format", name)]
    manage(migrated, "manage.py", *RELEASE, *options)
    first, second = (contents(release_folder(migrated, number), number) for number in (2, 3))
    manifests = [json.loads(files.pop("manifest.json")) for files in (first, second)]
    assert first.keys() <= second.keys()
    assert unexplained(second.keys() - first.keys(), NEW) == (set(), set())
    changed = {name for name in first if first[name] != second[name]}
    assert unexplained(changed, CHANGED) == (set(), set())
    sums = [manifest.pop("files") for manifest in manifests]
    assert sums[0].keys() <= sums[1].keys()
    videos = [manifest.pop("videos") for manifest in manifests]
    for before, after in zip(*videos, strict=True):
        assert before.items() <= after.items()
    assert manifests[0].items() <= manifests[1].items()


def unexplained(names: set[str], reasons: dict[str, str]) -> tuple[set[str], set[str]]:
    """The names that no pattern of `reasons` fits, and the patterns that fit no name."""
    return (
        {name for name in names if not any(fnmatch(name, pattern) for pattern in reasons)},
        {pattern for pattern in reasons if not any(fnmatch(name, pattern) for name in names)},
    )


@pytest.mark.slow
def test_nothing_is_left_to_migrate_and_a_second_run_does_nothing(migrated):
    assert "No migrations to apply" in manage(migrated, "manage.py", "migrate")


@pytest.mark.slow
def test_datasets_are_deleted_with_all_that_depends_on_them(migrated):
    program = (
        "from datasets.models import Dataset; from datasets.services.delete import delete; "
        "[delete(dataset) for dataset in Dataset.objects.all()]; "
        "from django.apps import apps; print([model for app in "
        "('datasets', 'tracking', 'annotation', 'qc') for model in "
        "apps.get_app_config(app).get_models() if model._base_manager.exists()])"
    )
    left = manage(migrated, "manage.py", "shell", "--no-imports", "-c", program)
    assert set(re.findall(r"(\w+)'>", left)) <= {
        "AccessToken",  # of an account
        "CvatServer",
        "PendingDeletion",
        "StatusClock",
        "WebhookDelivery",
    }


def test_no_released_migration_is_edited():
    found = {
        str(path.relative_to(ROOT)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in ROOT.glob("*/migrations/0001_initial.py")
    }
    assert found == FIRST_MIGRATIONS
