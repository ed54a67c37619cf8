"""Rules for files and folders, and `docs/files.md`, the list of all modules.

`python -m tests.test_layout` writes docs/files.md anew.
"""

import ast
import subprocess
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
APPS = ("avaproject", "datasets", "tracking", "annotation", "qc", "workers", "demo")
MAX_MODULES, MAX_TEMPLATES, MAX_LINES = 20, 25, 400
LIST = ROOT / "docs" / "files.md"
HEAD = """# Files

Every module with its first sentence, by folder, in import order. `python -m tests.test_layout`
writes this list; a test keeps it true.
"""


@cache
def tracked(suffix: str) -> list[Path]:
    """All files of the repository with `suffix`, new ones included, as git sees them."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "--deduplicate", f"*{suffix}"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    paths = [Path(name) for name in names.stdout.splitlines()]
    return sorted(path for path in paths if (ROOT / path).is_file())


def modules() -> list[Path]:
    return [path for path in tracked(".py") if "migrations" not in path.parts]


def product() -> list[Path]:
    return [path for path in modules() if path.parts[0] in APPS]


def by_folder(paths: list[Path]) -> dict[Path, list[Path]]:
    folders: dict[Path, list[Path]] = defaultdict(list)
    for path in paths:
        folders[path.parent].append(path)
    return folders


def summary(path: Path) -> str:
    """The first line of a module's docstring."""
    docstring = ast.get_docstring(ast.parse((ROOT / path).read_text())) or ""
    return docstring.partition("\n")[0]


def listed() -> str:
    """The text of docs/files.md."""
    folders = by_folder([path for path in product() if path.name != "__init__.py"])
    order = sorted(folders, key=lambda folder: (APPS.index(folder.parts[0]), folder.parts))
    text = HEAD
    for folder in order:
        text += f"\n## {folder}/\n\n"
        text += "".join(f"- `{path.name}`: {summary(path)}\n" for path in folders[folder])
    return text


def classes() -> dict[str, list[str]]:
    """Where each class of the product is defined, nested and private ones aside."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in product():
        for node in ast.parse((ROOT / path).read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(str(path))
    return found


def test_no_folder_holds_more_than_20_modules():
    counts = {str(folder): len(paths) for folder, paths in by_folder(modules()).items()}
    assert {name: n for name, n in counts.items() if n > MAX_MODULES} == {}


def test_no_folder_holds_more_than_25_templates():
    templates = [path for path in tracked(".html") if path.parts[0] == "templates"]
    counts = {str(folder): len(paths) for folder, paths in by_folder(templates).items()}
    assert {name: n for name, n in counts.items() if n > MAX_TEMPLATES} == {}


def test_no_module_is_longer_than_400_lines():
    lengths = {str(path): len((ROOT / path).read_text().splitlines()) for path in modules()}
    assert {name: n for name, n in lengths.items() if n > MAX_LINES} == {}


def test_no_two_classes_have_one_name():
    shared = {name: paths for name, paths in classes().items() if len(paths) > 1}
    for by_django in ("Command",):
        shared.pop(by_django, None)
    assert shared == {}


def test_every_module_says_in_its_first_line_what_it_holds():
    named = [path for path in product() if path.name != "__init__.py"]
    assert [str(path) for path in named if not summary(path).endswith(".")] == []


@pytest.mark.parametrize("app", APPS)
def test_the_package_of_an_app_is_empty(app):
    if app != "avaproject":  # which exports Celery's application, as its documents ask
        assert (ROOT / app / "__init__.py").read_text() == ""


def test_the_list_of_files_is_true():
    assert LIST.read_text() == listed(), "run: python -m tests.test_layout"


if __name__ == "__main__":
    LIST.write_text(listed())
