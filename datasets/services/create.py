"""Creation of datasets: settings, first owner, and the action groups of a vocabulary."""

from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from datasets.core.untrusted import MAX_YAML_BYTES
from datasets.core.vocabulary import Vocabulary, VocabularyError, parse_pbtxt, parse_yaml
from datasets.models import Action, ActionGroup, Dataset, Member

__all__ = ["VocabularyError", "create_dataset", "read_vocabulary", "shipped_vocabularies"]

VOCABULARIES = Path(__file__).resolve().parent.parent / "vocabularies"


def create_dataset(
    name: str,
    *,
    vocabulary: str | Path = "ava-v2.2",
    owner: User | None = None,
    **settings: Any,
) -> Dataset:
    """Create the dataset `name` with `settings`, or return the existing one unchanged.

    `vocabulary` is the name of a shipped one, or a YAML or AVA pbtxt file. Raises
    VocabularyError, and Django's ValidationError if a setting is invalid.
    """
    if existing := Dataset.objects.filter(name=name).first():
        return existing
    groups = read_vocabulary(vocabulary)
    dataset = Dataset(name=name, **settings)
    dataset.full_clean(validate_unique=False)
    with transaction.atomic():
        dataset, is_new = Dataset.objects.get_or_create(name=name, defaults=settings)
        if is_new:
            _add_groups(dataset, groups)
            if owner:
                Member.objects.create(dataset=dataset, user=owner, role=Member.Role.OWNER)
    return dataset


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
        with path.open(encoding="utf-8") as file:
            text = file.read(MAX_YAML_BYTES + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise VocabularyError(
            f"there is no vocabulary {str(vocabulary)!r}; "
            f"give a YAML or pbtxt file or one of {', '.join(shipped)}"
        ) from error
    parse = parse_pbtxt if path.suffix == ".pbtxt" else parse_yaml
    try:
        return parse(text)
    except VocabularyError as error:
        raise VocabularyError(f"{path.name}: {error}") from error


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
