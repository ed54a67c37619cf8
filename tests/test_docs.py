"""The documents describe what exists, and all of it."""

import re
from pathlib import Path

import pytest

from workers.pipeline import STEPS

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
PIPELINE = (DOCS / "pipeline.md").read_text()
PRODUCTION = (DOCS / "production.md").read_text()
COMMANDS = sorted(
    path.stem
    for path in ROOT.glob("*/management/commands/*.py")
    if not path.stem.startswith("_") and ".venv" not in path.parts
)
FOLDERS = "avaproject|datasets|tracking|annotation|qc|workers|demo|benchmarks|static|tests"
OF_LIBRARIES = ("migrate", "createsuperuser", "changepassword", "collectstatic")
SETTINGS = sorted(
    set(re.findall(r'"(AVA_[A-Z0-9_]+)"', (ROOT / "avaproject/settings.py").read_text()))
)


def code_in(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", text) + re.findall(r"^ {4}(\S.*)$", text, re.MULTILINE)


def test_the_table_of_steps_is_the_pipeline_in_its_order():
    assert re.findall(r"^\| `([a-z ]+)` \|", PIPELINE, re.MULTILINE)[: len(STEPS)] == [
        step.name for step in STEPS
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command):
    assert re.search(rf"^\| `{command}[ `]", PIPELINE, re.MULTILINE)


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_is_documented(setting):
    assert f"`{setting}`" in PRODUCTION


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_names_an_unknown_command_or_setting(page):
    for code in code_in(page.read_text()):
        for command in re.findall(r"(?:\./ava manage|manage\.py) ([a-z_]+)", code):
            assert command in {*COMMANDS, *OF_LIBRARIES}, code
        for setting in re.findall(r"\bAVA_[A-Z0-9_]*[A-Z0-9]\b(?!_)", code):
            is_of_tests = setting.startswith("AVA_TEST_")
            assert is_of_tests or setting in {*SETTINGS, "AVA_S3"}, code


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_and_module_named_in_a_page_exists(page):
    for code in code_in(page.read_text()):
        for path in re.findall(rf"\b(?:{FOLDERS})/[\w/]+\.(?:py|js|yaml|txt|md)\b", code):
            assert (ROOT / path).is_file(), code
        for module in re.findall(rf"^(?:{FOLDERS})\.(?!py$)[a-z_.]+$", code):
            assert (ROOT / module.replace(".", "/")).with_suffix(".py").is_file(), code


def test_the_example_of_some_tests_selects_some():
    found = re.search(r"\./ava test (\S+) -k (\w+)", (DOCS / "development.md").read_text())
    assert found
    assert re.search(rf"^def test_\w*{found[2]}", (ROOT / found[1]).read_text(), re.MULTILINE)


def test_the_launcher_has_the_commands_of_the_readme():
    launcher = (ROOT / "ava").read_text()
    for word in re.findall(r"\./ava ([a-z]+)", (ROOT / "README.md").read_text()):
        assert f"./ava {word}" in launcher


@pytest.mark.parametrize("app", ["datasets", "tracking", "annotation", "qc", "workers", "demo"])
def test_every_app_is_introduced(app):
    assert f"| `{app}/` |" in (DOCS / "development.md").read_text()
