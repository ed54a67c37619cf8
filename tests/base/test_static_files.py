"""Static files as a deployment collects them: references have hashes, too."""

import json
import re
import shutil
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command
from django.test import Client

from tests.test_layout import ROOT

HASHED = re.compile(r"\.[0-9a-f]{12}\.")
REFERENCES = re.compile(r"""(?:from\s*|import\s*\(?|url\()["'](\.[^"']+)["']""")
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


@pytest.fixture
def sources(tmp_path, settings):
    """A copy of `static/`, and settings that collect it to `collected/`."""
    folder = shutil.copytree(ROOT / "static", tmp_path / "static")
    settings.STATICFILES_DIRS = [folder]
    settings.STATIC_ROOT = str(tmp_path / "collected")
    settings.STORAGES = django_settings.STORAGES | {
        "staticfiles": {"BACKEND": "avaproject.base.static_files.HashedModulesStorage"}
    }
    return folder


def collected(settings) -> dict[str, str]:
    """The name with a hash of each file, after `collectstatic`."""
    call_command("collectstatic", interactive=False, verbosity=0)
    manifest = Path(settings.STATIC_ROOT) / "staticfiles.json"
    return json.loads(manifest.read_text())["paths"]


def test_every_reference_names_a_file_with_a_hash(sources, settings):
    names = collected(settings)
    checked = 0
    for name in (one for one in names if one.endswith((".js", ".css"))):
        if not (sources / name).exists():
            continue  # of a library
        file = Path(settings.STATIC_ROOT) / names[name]
        for reference in REFERENCES.findall(COMMENT.sub("", file.read_text())):
            assert HASHED.search(reference), f"{name} refers to {reference}"
            assert (file.parent / reference).is_file(), f"{name} refers to {reference}"
            checked += 1
    assert checked > 40


def test_a_changed_module_renames_all_that_import_it(sources, settings):
    before = collected(settings)
    with (sources / "player/paths.js").open("a") as file:
        file.write("// changed\n")
    shutil.rmtree(settings.STATIC_ROOT)
    after = collected(settings)
    changed = {name for name in before if before[name] != after[name]}
    assert {"player/paths.js", "player/scene.js", "player/player.js", "qc/clip.js"} <= changed
    assert "player/geometry.js" not in changed


@pytest.mark.django_db  # the end of a request looks at connections
def test_files_without_a_hash_are_revalidated():
    answer = Client().get("/static/js/app.js")
    assert answer.status_code == 200
    answer.close()
    assert answer["Cache-Control"] == "max-age=0, public"
    assert staticfiles_storage.url("js/app.js") == "/static/js/app.js"
