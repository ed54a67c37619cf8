"""Importer of AVA CSV: labels with an action list, AVA-Kinetics, proposals."""

from annotation.importers.importer import Files, Importer, with_ending
from annotation.importers.source_files import SourceFile
from datasets.core.formats.external.ava_rows import is_ava_csv, read_ava
from datasets.core.formats.external.document import ImportedDocument
from datasets.core.formats.persons_csv import PERSONS
from datasets.core.untrusted import UntrustedDataError
from datasets.core.vocabulary_lists import parse_action_list

NOT_LABELS = ("predicted", "exclu", "negative", "unlabelled")


def tables(files: Files) -> dict[str, bytes]:
    """The CSV files with labels; of a release the one with all splits is a second copy."""
    found = {
        file.path: file.content
        for file in with_ending(files, ".csv")
        if not any(word in file.name.lower() for word in NOT_LABELS)
        and is_ava_csv(file.content)
    }
    whole = [path for path in found if path.endswith("AVA_dataset.csv")]
    return {path: content for path, content in found.items() if path in whole or not whole}


def action_names(files: Files) -> dict[int, str]:
    """Names of actions by id, of all action lists and label maps among the files."""
    found: dict[int, str] = {}
    for file in files:
        is_named = any(word in file.name.lower() for word in ("label_map", "action_list"))
        if file.ending == ".pbtxt" or is_named:
            found |= _names(file)
    return found


def classes(files: Files) -> bytes:
    """The content of `persons.csv`, which says who is no person; empty if there is none."""
    return next((file.content for file in files if file.name == PERSONS), b"")


def _names(file: SourceFile) -> dict[int, str]:
    try:
        return {one.action_id: one.name for one in parse_action_list(file.content)}
    except UntrustedDataError:
        return {}  # rows keep their numbers, which the preview shows


def _fits(files: Files) -> bool:
    return bool(tables(files)) or any(
        "proposal" in file.name.lower() for file in with_ending(files, ".pkl")
    )


def _read(files: Files) -> ImportedDocument:
    pickles = [file.content for file in with_ending(files, ".pkl")]
    return read_ava(
        tables(files), names=action_names(files), proposals=pickles, classes=classes(files)
    )


IMPORTER = Importer(
    "ava", "AVA CSV",
    "ava_train.csv and the like, with the action list (pbtxt); or dense_proposals.pkl alone.",
    _fits, _read,
)  # fmt: skip
