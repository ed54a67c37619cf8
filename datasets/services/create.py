"""Creation of datasets: settings, first owner, and the action groups of a vocabulary."""

from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from avaproject.base.temporary import work_folder
from datasets.accounts.activity import record
from datasets.accounts.quotas import charging_dataset
from datasets.core.untrusted import MAX_YAML_BYTES
from datasets.core.vocabulary import Vocabulary, VocabularyError, parse_yaml
from datasets.core.vocabulary_lists import parse_vocabulary
from datasets.models import Action, ActionGroup, Dataset, Member

__all__ = [
    "VocabularyError",
    "create_dataset",
    "read_vocabulary",
    "read_vocabulary_text",
    "shipped_vocabularies",
]

VOCABULARIES = Path(__file__).resolve().parent.parent / "vocabularies"


def create_dataset(
    name: str,
    *,
    vocabulary: str | Path = "ava-v2.2",
    owner: User | None = None,
    **settings: Any,
) -> Dataset:
    """Create the dataset `name` with `settings`, or return the existing one unchanged.

    `vocabulary` is the name of a shipped one, or a file: YAML, pbtxt, `label_map.txt` or the
    label JSON of CVAT. Raises VocabularyError, Django's ValidationError if a setting is
    invalid, and QuotaError if `owner` has as many datasets as allowed.
    """
    if existing := Dataset.objects.filter(name=name).first():
        return existing
    groups = read_vocabulary(vocabulary)
    dataset = Dataset(name=name, **settings)
    dataset.full_clean(validate_unique=False)
    with charging_dataset(owner):
        dataset, is_new = Dataset.objects.get_or_create(
            name=name, defaults=settings | {"charged_to": owner}
        )
        if is_new:
            _add_groups(dataset, groups)
            if owner:
                Member.objects.create(dataset=dataset, user=owner, role=Member.Role.OWNER)
            record("create dataset", name, dataset=dataset)
    return dataset


def create_from_text(
    name: str, text: str, *, owner: User | None = None, **settings: Any
) -> Dataset:
    """`create_dataset` with a vocabulary of one's own, in any of the known forms."""
    with work_folder() as folder:
        path = folder / "vocabulary.txt"
        path.write_text(text, encoding="utf-8")
        return create_dataset(name, vocabulary=path, owner=owner, **settings)


def describe(dataset: Dataset, description: str) -> None:
    """Change the description of a dataset."""
    with transaction.atomic():
        rows = Dataset.objects.filter(pk=dataset.pk).exclude(description=description)
        if rows.update(description=description):
            record("change description", dataset=dataset)


def shipped_vocabularies() -> list[str]:
    """Names of the vocabularies that come with AVA Studio."""
    return sorted(path.name.removesuffix(".yaml") for path in VOCABULARIES.glob("*.yaml"))


def read_vocabulary(vocabulary: str | Path) -> Vocabulary:
    """The groups of a shipped vocabulary or of a file. Raises VocabularyError."""
    shipped = shipped_vocabularies()
    if vocabulary in shipped:
        path = VOCABULARIES / f"{vocabulary}.yaml"
    else:
        path = Path(vocabulary)
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(MAX_YAML_BYTES + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise VocabularyError(
            _(
                "there is no vocabulary %(vocabulary)r; give a file (YAML, pbtxt, "
                "label_map.txt, CVAT label JSON) or one of %(shipped)s"
            )
            % {"vocabulary": str(vocabulary), "shipped": ", ".join(shipped)}
        ) from error
    try:
        return parse_yaml(text) if vocabulary in shipped else read_vocabulary_text(text)
    except VocabularyError as error:
        raise VocabularyError(f"{path.name}: {error}") from error


def read_vocabulary_text(text: str) -> Vocabulary:
    """The groups in a text in any of the known forms. Raises VocabularyError."""
    return parse_vocabulary(text, ava=read_vocabulary("ava-v2.2"))


def _add_groups(dataset: Dataset, groups: Vocabulary) -> None:
    rows = ActionGroup.objects.bulk_create(
        ActionGroup(
            dataset=dataset,
            name=group.name,
            position=position,
            choice=group.choice,
            required=group.required,
            label_type=group.label_type,
            max_per_person=group.max_per_person,
            scope=group.scope,
        )
        for position, group in enumerate(groups)
    )
    Action.objects.bulk_create(
        Action(
            dataset=dataset,
            group=row,
            name=action.name,
            action_id=action.action_id,
            position=position,
        )
        for row, group in zip(rows, groups, strict=True)
        for position, action in enumerate(group.actions)
    )
