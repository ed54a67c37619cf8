import pytest
from django.core.exceptions import ValidationError

from datasets.models import Action, Dataset, Member
from datasets.services.create import VocabularyError, create_dataset, shipped_vocabularies
from tests.make import make_user

pytestmark = pytest.mark.django_db

OWN = """
groups:
  - {name: posture, choice: one, required: true, label_type: PERSON_MOVEMENT,
     actions: {1: stand, 2: sit}}
  - {name: doing, choice: many, label_type: OBJECT_MANIPULATION, max_per_person: 2,
     actions: {3: carry}}
"""


def test_a_new_dataset_has_the_eighty_actions_of_ava():
    dataset = create_dataset("shop")
    assert list(dataset.actions.values_list("action_id", flat=True)) == list(range(1, 81))
    assert list(dataset.groups.values_list("name", "choice", "required")) == [
        ("person_movement", "one", True),
        ("object_manipulation", "many", False),
        ("person_interaction", "many", False),
    ]


def test_every_shipped_vocabulary_is_valid():
    assert shipped_vocabularies() == ["ava-v2.2", "street"]
    for number, name in enumerate(shipped_vocabularies()):
        assert create_dataset(f"shop-{number}", vocabulary=name).groups.count() in (3, 8)


def test_settings_and_admin_are_stored():
    user = make_user()
    dataset = create_dataset("shop", owner=user, annotation_fps=10, detector="onnx")
    assert (dataset.annotation_fps, dataset.detector) == (10, "onnx")
    assert dataset.members.get().role == Member.Role.OWNER
    assert dataset.members.get().user == user


def test_an_existing_dataset_does_not_change():
    first = create_dataset("shop", annotation_fps=10)
    again = create_dataset("shop", vocabulary="street", owner=make_user(), annotation_fps=1)
    assert (again, again.annotation_fps) == (first, 10)
    assert Action.objects.count() == 80
    assert Member.objects.count() == 0


def test_a_custom_vocabulary(tmp_path):
    (tmp_path / "own.yaml").write_text(OWN)
    dataset = create_dataset("shop", vocabulary=tmp_path / "own.yaml")
    assert list(dataset.groups.values_list("name", "max_per_person")) == [
        ("posture", 1),
        ("doing", 2),
    ]
    assert list(dataset.actions.values_list("action_id", "name", "group__name")) == [
        (1, "stand", "posture"),
        (2, "sit", "posture"),
        (3, "carry", "doing"),
    ]


def test_an_action_list_of_ava(tmp_path):
    path = tmp_path / "list.pbtxt"
    path.write_text(
        'label {\n  name: "stand"\n  label_id: 1\n  label_type: PERSON_MOVEMENT\n}\n'
    )
    assert create_dataset("shop", vocabulary=path).actions.get().name == "stand"


def test_an_unknown_vocabulary_is_refused_with_the_known_ones():
    with pytest.raises(VocabularyError, match=r"ava-v2\.2, street"):
        create_dataset("shop", vocabulary="kinetics")
    assert not Dataset.objects.exists()


def test_an_invalid_vocabulary_is_refused_with_its_name(tmp_path):
    (tmp_path / "own.yaml").write_text(OWN.replace("3: carry", "40000: carry"))
    with pytest.raises(VocabularyError, match=r"own\.yaml: .*id 40000 is not"):
        create_dataset("shop", vocabulary=tmp_path / "own.yaml")
    assert not Dataset.objects.exists()


@pytest.mark.parametrize(
    "wrong", [{"annotation_fps": 7}, {"threshold": 1.5}, {"longest_side": 10}]
)
def test_an_invalid_setting_is_refused(wrong):
    with pytest.raises(ValidationError):
        create_dataset("shop", **wrong)
    assert not Dataset.objects.exists()


def test_a_name_that_cannot_be_part_of_a_path_is_refused():
    with pytest.raises(ValidationError):
        create_dataset("../shop")


def test_the_name_of_the_folder_of_synced_releases_is_refused():
    """Deleting such a dataset would remove every release in the bucket."""
    with pytest.raises(ValidationError, match="choose another name"):
        create_dataset("release-copies")
