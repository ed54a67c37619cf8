"""Models of datasets: settings, vocabularies, and files still to be deleted."""

from typing import Self

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from datasets.core.action_groups import ActionGroupSpec
from datasets.core.media.clips_and_keyframes import (
    CLIP_SECONDS,
    MAX_CLIP_SECONDS,
    MIN_CLIP_SECONDS,
)
from datasets.core.roles import Act, acts_by_key, roles_with

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
    is_simulated = models.BooleanField(
        default=False, help_text="answers come from simulated annotators"
    )

    # Settings of the pipeline.
    SETTINGS = (
        "detector", "weights", "threshold", "longest_side", "clip_seconds", "annotation_fps",
        "frame_stride", "keep_truncated",
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
        """The actions in the order that annotators see."""
        return sorted(self.actions.all(), key=lambda one: (one.position, one.action_id))

    def spec(self) -> ActionGroupSpec:
        """The group without the database, its actions by id."""
        return ActionGroupSpec(
            self.name,
            self.choice,
            self.required,
            tuple(action.name for action in self.actions.all()),
            self.max_per_person,
            self.scope,
        )


class Action(models.Model):
    """An answer of a group. Its AVA action id is never reused."""

    group = models.ForeignKey(ActionGroup, models.CASCADE, related_name="actions")
    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="actions")
    name = models.CharField(max_length=80)
    action_id = models.PositiveSmallIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(80)]
    )

    position = models.PositiveSmallIntegerField(
        default=0, help_text="place in the group as annotators see it; equal ones by id"
    )

    class Meta:
        ordering = ["dataset", "action_id"]
        constraints = [
            models.UniqueConstraint("dataset", "action_id", name="action_id_unique_in_dataset"),
            models.UniqueConstraint("group", "name", name="action_name_unique_in_group"),
            models.CheckConstraint(
                condition=Q(action_id__gte=1, action_id__lte=80), name="action_id_is_1_to_80"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class PendingDeletion(models.Model):
    """A stored file whose row was deleted; a worker will remove it.

    A name that ends in a slash is a folder with its content.
    """

    name = models.CharField(max_length=500)

    def __str__(self) -> str:
        return self.name
