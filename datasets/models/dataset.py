"""Models of datasets: settings, vocabularies, and files still to be deleted."""

from typing import Self

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from datasets.core.action_groups import ActionGroupSpec
from datasets.core.media.clips_and_keyframes import (
    CLIP_SECONDS,
    MAX_CLIP_SECONDS,
    MIN_CLIP_SECONDS,
)
from datasets.core.roles import Act, acts_by_key, roles_with
from datasets.core.vocabulary import MAX_ACTION_ID

ANNOTATION_RATES = [(rate, f"{rate} per second") for rate in (1, 2, 3, 5, 6, 10, 15, 30)]


class DatasetQuerySet(models.QuerySet):
    def permitting(self, user: User | AnonymousUser, *acts: Act) -> Self:
        """Datasets in which `user` may do all of `acts`; without acts, those they may see."""
        if user.is_superuser:
            return self
        # An anonymous user has no key, and must not match datasets without members.
        return self.filter(
            members__user_id=user.pk or 0,
            members__role__in=roles_with(*(acts or (Act.SEE,))),
        )


class Dataset(models.Model):
    """A dataset with the settings of its pipeline."""

    name = models.SlugField(unique=True, help_text="lowercase letters, digits and hyphens")
    description = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    longest_side = models.PositiveIntegerField(
        default=1280,
        validators=[MinValueValidator(64), MaxValueValidator(4096)],
        help_text="pixels; larger videos are scaled down, small ones are never enlarged",
    )
    clip_seconds = models.PositiveSmallIntegerField(
        default=CLIP_SECONDS,
        validators=[
            MinValueValidator(MIN_CLIP_SECONDS),
            MaxValueValidator(MAX_CLIP_SECONDS),
        ],
        help_text="seconds; only the last clip of a video may be shorter",
    )
    annotation_fps = models.PositiveSmallIntegerField(default=5, choices=ANNOTATION_RATES)
    keep_truncated = models.BooleanField(
        default=True, help_text="use the readable part of truncated videos"
    )
    detector = models.CharField(max_length=40, default="rfdetr-medium")
    weights = models.CharField(
        max_length=500, blank=True, help_text="your own weights file; empty: the default"
    )
    threshold = models.FloatField(
        default=0.45, validators=[MinValueValidator(0.0), MaxValueValidator(1.0)]
    )
    frame_stride = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(30)],
        help_text="detect in every n-th frame; the tracker interpolates the rest",
    )
    keep_ids = models.BooleanField(
        default=False, db_default=False,
        help_text="imported boxes are tracked already: each id of a file is a track",
    )  # fmt: skip
    appearance = models.CharField(
        max_length=500, blank=True, default="histogram",
        help_text="how people are told apart by their looks: histogram, the name of a "
        "re-identification model (ONNX), or empty for not at all",
    )  # fmt: skip
    classes = models.CharField(
        max_length=200, blank=True, default="person", db_default="person",
        help_text="what is followed, separated by commas: person, vehicle, animal, or classes "
        "of the detector",
    )  # fmt: skip
    is_simulated = models.BooleanField(
        default=False, help_text="answers come from simulated annotators"
    )
    charged_to = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True,
        related_name="charged_datasets", editable=False,
        help_text="whose quota it counts against; empty: nobody's",
    )  # fmt: skip

    # Settings of the pipeline.
    SETTINGS = (
        "detector", "weights", "threshold", "longest_side", "clip_seconds", "annotation_fps",
        "frame_stride", "keep_truncated", "keep_ids", "appearance", "classes",
    )  # fmt: skip

    objects = DatasetQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def may(self) -> dict[str, bool]:
        """What the user may do, by `Act.key`; of rows of `permitted_datasets` only."""
        return acts_by_key(self.role)  # type: ignore[attr-defined]  # annotated

    @property
    def class_names(self) -> list[str]:
        """What is followed, by name; person if nothing is named.

        >>> Dataset(classes="person, Vehicle,").class_names
        ['person', 'vehicle']
        """
        names = (" ".join(part.split()).lower() for part in self.classes.split(","))
        return list(dict.fromkeys(name for name in names if name)) or ["person"]

    def clean(self) -> None:
        """Raises ValidationError if the storage has other files under this name."""
        if self.name == settings.RELEASE_COPIES:
            raise ValidationError(
                f"{self.name} is the folder of synced releases; choose another name."
            )
        pending = PendingDeletion.objects.filter(name__startswith=f"{self.name}/")
        if self._state.adding and pending.exists():
            raise ValidationError(
                f"The files of a deleted dataset {self.name} are still being removed; "
                "choose another name, or try again in a minute."
            )


class ActionGroup(models.Model):
    """A question about every person: at each keyframe, once a person, or once a clip."""

    COUNTED_AS = _("groups of actions")

    class Scope(models.TextChoices):
        KEYFRAME = "keyframe"
        PERSON = "person"
        CLIP = "clip"

    class Choice(models.TextChoices):
        ONE = "one"
        MANY = "many"

    class LabelType(models.TextChoices):
        PERSON_MOVEMENT = "PERSON_MOVEMENT"
        OBJECT_MANIPULATION = "OBJECT_MANIPULATION"
        PERSON_INTERACTION = "PERSON_INTERACTION"

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="groups")
    name = models.SlugField()
    position = models.PositiveSmallIntegerField()
    choice = models.CharField(max_length=4, choices=Choice)
    required = models.BooleanField(default=False)
    label_type = models.CharField(max_length=20, choices=LabelType)
    max_per_person = models.PositiveSmallIntegerField(default=3)
    scope = models.CharField(
        max_length=8,
        choices=Scope,
        default=Scope.KEYFRAME,
        help_text="what one answer holds for; those of a person or clip are asked once",
    )

    class Meta:
        ordering = ["dataset", "position"]
        constraints = [
            models.UniqueConstraint("dataset", "name", name="group_name_unique_in_dataset")
        ]

    def __str__(self) -> str:
        return self.name

    def shown_actions(self) -> list["Action"]:
        """The actions that annotators may choose, in the order that they see."""
        offered = [one for one in self.actions.all() if one.is_offered]
        return sorted(offered, key=lambda one: (one.position, one.action_id))

    def former_names(self) -> dict[str, str]:
        """What each name that an answer may still have is called now."""
        actions = {action.pk: action for action in self.actions.all()}
        found: dict[str, str] = {}
        for action in actions.values():
            current = action
            while current.merged_into_id in actions:
                current = actions[current.merged_into_id]
            names = [*action.former_names, *([action.name] if action != current else [])]
            found |= {name: current.name for name in names if name != current.name}
        return found

    def spec(self) -> ActionGroupSpec:
        """The group without the database, its actions by id; without those merged away."""
        actions = list(self.actions.all())
        kept = tuple(one.name for one in actions if one.merged_into_id is None)
        is_merged = len(kept) < len(actions)
        return ActionGroupSpec(
            self.name,
            self.choice,
            self.required,
            kept,
            self.max_per_person,
            self.scope,
            min(self.max_per_person, len(actions)) if is_merged else 0,
        )


class Action(models.Model):
    """An answer of a group. Its AVA action id is never reused."""

    COUNTED_AS = _("actions")

    group = models.ForeignKey(ActionGroup, models.CASCADE, related_name="actions")
    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="actions")
    name = models.CharField(max_length=80)
    action_id = models.PositiveSmallIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(MAX_ACTION_ID)]
    )

    position = models.PositiveSmallIntegerField(
        default=0, help_text="place in the group as annotators see it; equal ones by id"
    )

    former_names = models.JSONField(
        default=list, blank=True, help_text="names that answers may still have"
    )
    retired_at = models.DateTimeField(
        null=True, blank=True, help_text="since when it is no longer offered to annotators"
    )
    merged_into = models.ForeignKey(
        "self", models.CASCADE, null=True, blank=True, related_name="merged",
        help_text="the action that its answers count as",
    )  # fmt: skip

    class Meta:
        ordering = ["dataset", "action_id"]
        constraints = [
            models.UniqueConstraint("dataset", "action_id", name="action_id_unique_in_dataset"),
            models.UniqueConstraint("group", "name", name="action_name_unique_in_group"),
            models.CheckConstraint(
                condition=Q(action_id__gte=1, action_id__lte=MAX_ACTION_ID),
                name="action_id_is_1_to_32767",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_offered(self) -> bool:
        return self.retired_at is None and self.merged_into_id is None


class PendingDeletion(models.Model):
    """A stored file whose row was deleted; a worker will remove it.

    A name that ends in a slash is a folder with its content.
    """

    name = models.CharField(max_length=500)

    def __str__(self) -> str:
        return self.name
