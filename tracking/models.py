"""Experiments, tracking runs, identities, proposals, and bundles exported and imported."""

from collections.abc import Mapping
from typing import Self

from django.contrib.auth.models import AnonymousUser, User
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Max, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from avaproject.base.work import Stage, StagedModel, StagedQuerySet
from datasets.core.roles import Act
from datasets.models import BundleImport, Clip, Dataset, Video
from tracking.core.tracks_file import person_in_sentence, person_label

# `TrackingRun.made_by["ids"]` where those of a file were kept: who is the same person.
IDS_OF_VIDEO = "video"  # over all clips of the video
IDS_OF_CLIP = "clip"


class Experiment(models.Model):
    """Another tracking configuration of a dataset, compared with its own settings."""

    COUNTED_AS = _("tracking experiments")

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="experiments")
    detector = models.CharField(max_length=40)
    weights = models.CharField(max_length=500, blank=True)
    threshold = models.FloatField(validators=[MinValueValidator(0.0), MaxValueValidator(1.0)])
    frame_stride = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(30)]
    )
    keep_ids = models.BooleanField(
        default=False, db_default=False,
        help_text="imported boxes are tracked already: each id of a file is a track",
    )  # fmt: skip
    tracker = models.JSONField(
        default=dict, blank=True, help_text="tracker parameters that differ from the defaults"
    )
    is_active = models.BooleanField(default=False, help_text="new clips and new tasks use it")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["dataset", "pk"]
        constraints = [
            models.UniqueConstraint(
                "dataset", condition=Q(is_active=True), name="one_active_experiment_per_dataset"
            )
        ]

    def __str__(self) -> str:
        return f"{self.dataset} experiment {self.pk}"


class TrackingConfig(models.Model):
    """Settings that clips of a dataset are tracked with, and the weights that they mean."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="tracking_configs")
    settings_key = models.CharField(max_length=120, help_text="the settings in one line")
    config_key = models.CharField(
        max_length=120, help_text="of its runs: the settings with the weights' hash, if known"
    )
    weights_sha256 = models.CharField(
        max_length=64, blank=True, help_text="empty until a machine has read the file"
    )
    is_planned = models.BooleanField(
        default=False, help_text="all clips have runs of it; new clips get theirs"
    )

    class Meta:
        ordering = ["dataset", "pk"]
        constraints = [
            models.UniqueConstraint("dataset", "settings_key", name="one_config_per_settings")
        ]

    def __str__(self) -> str:
        return f"{self.dataset} {self.config_key}"


class TrackingRunQuerySet(StagedQuerySet):
    def in_use(self) -> Self:
        """Runs that count: of the active experiment first, then the newest; no others."""
        counts = self.filter(Q(experiment=None) | Q(experiment__is_active=True))
        return counts.order_by(F("experiment__is_active").desc(nulls_last=True), "-pk")

    def cancel(self) -> int:
        """End waiting and running ones; return how many. A worker stops within seconds."""
        return self.filter(stage__in=(Stage.WAITING, Stage.RUNNING)).update(
            stage=Stage.FAILED,
            lease_until=None,
            finished_at=timezone.now(),
            error="Cancelled. Try again to continue.",
        )

    def of(self, dataset: Dataset) -> Self:
        return self.filter(clip__video__dataset=dataset)

    def permitting(self, user: User | AnonymousUser, *acts: Act) -> Self:
        return self.filter(clip__video__dataset__in=Dataset.objects.permitting(user, *acts))


class TrackingRun(StagedModel):
    """Detection and tracking of one clip with one configuration."""

    clip = models.ForeignKey(Clip, models.CASCADE, related_name="tracking_runs")
    config_key = models.CharField(
        max_length=120, help_text="detector, threshold, stride, tracker"
    )
    experiment = models.ForeignKey(
        Experiment, models.CASCADE, null=True, blank=True, related_name="runs",
        help_text="empty: the dataset's own settings",
    )  # fmt: skip
    tracks = models.FileField(
        max_length=500, blank=True, help_text="gzipped <clip>.tracks.json"
    )
    made_by = models.JSONField(
        default=dict, blank=True, help_text="versions, weights sha256, parameters"
    )
    uncorrected = models.FileField(
        max_length=500, blank=True,
        help_text="tracks as they were tracked, if corrections of persons changed them",
    )  # fmt: skip
    track_count = models.PositiveIntegerField(null=True, editable=False)
    detection_count = models.PositiveIntegerField(null=True, editable=False)

    objects = TrackingRunQuerySet.as_manager()

    class Meta(StagedModel.Meta):
        ordering = ["clip", "pk"]
        constraints = [models.UniqueConstraint("clip", "config_key", name="one_run_per_config")]

    def __str__(self) -> str:
        return f"{self.clip} {self.config_key}"

    def other_files(self) -> list[str]:
        """Its tracks, if a worker has stored them and was killed before it said so."""
        return [self.stored_name]

    @property
    def stored_name(self) -> str:
        """Name of its tracks file in the storage."""
        dataset = self.clip.video.dataset
        return f"{dataset}/tracks/{self.pk}/{self.clip.name}.tracks.json.gz"


class IdentityRun(StagedModel):
    """One id for each person over all clips of a video; writes the Proposals."""

    video = models.ForeignKey(Video, models.CASCADE, related_name="identity_runs")
    config_key = models.CharField(max_length=120, help_text="of its tracking runs")
    experiment = models.ForeignKey(
        Experiment, models.CASCADE, null=True, blank=True, related_name="identity_runs"
    )
    person_count = models.PositiveIntegerField(null=True, editable=False)
    persons_before = models.JSONField(
        null=True, editable=False,
        help_text="before corrections: {run: {track id: person id}}; empty: there were none",
    )  # fmt: skip

    objects = StagedQuerySet.as_manager()

    class Meta(StagedModel.Meta):
        ordering = ["video", "pk"]
        constraints = [
            models.UniqueConstraint("video", "config_key", name="one_identity_run_per_config")
        ]

    def __str__(self) -> str:
        return f"{self.video} {self.config_key}"


class Person(models.Model):
    """A track of a run, and the person of the video that it shows."""

    run = models.ForeignKey(TrackingRun, models.CASCADE, related_name="persons")
    track_id = models.PositiveIntegerField(help_text="from 1, unique in its run")
    person_id = models.PositiveIntegerField(help_text="from 1, unique in its source video")

    class Meta:
        ordering = ["run", "person_id"]
        constraints = [
            models.UniqueConstraint("run", "track_id", name="one_person_per_track"),
            models.UniqueConstraint("run", "person_id", name="one_track_per_person_of_a_run"),
            models.CheckConstraint(condition=Q(person_id__gte=1), name="person_ids_from_1"),
        ]

    def __str__(self) -> str:
        return f"{self.run} {person_label(self.person_id)}"


class VideoPerson(models.Model):
    """A person of a video, tracked or drawn by annotators; decisions refer to this row.

    The row is never deleted before its video, so its number never means another person. `qc`
    adds the drawn ones when a consensus first shows them.
    """

    COUNTED_AS = _("persons")

    video = models.ForeignKey(Video, models.CASCADE, related_name="persons")
    person_id = models.PositiveIntegerField(help_text="from 1, unique in its source video")
    is_drawn = models.BooleanField(default=False, help_text="by annotators, and not tracked")
    clip = models.ForeignKey(
        Clip, models.SET_NULL, null=True, blank=True, related_name="drawn_persons",
        help_text="in which it was drawn",
    )  # fmt: skip
    boxes = models.JSONField(
        default=dict,
        help_text="of a drawn person: {second: [x1, y1, x2, y2]} in the newest consensus; "
        "empty: not in it",
    )
    name = models.CharField(max_length=80, blank=True, help_text="given by people, for pages")
    label = models.CharField(
        max_length=80, default="person", db_default="person",
        help_text="what it is, of the classes that the dataset follows",
    )  # fmt: skip
    doubt = models.FloatField(
        null=True, help_text="0 to 1, how likely its tracks show more than it; of tracked ones"
    )
    doubt_reason = models.CharField(max_length=200, blank=True)
    checked_at = models.DateTimeField(
        null=True, help_text="somebody looked at it, and it is right"
    )
    look = models.BinaryField(null=True, help_text="float16, `look_parts` vectors")
    look_parts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["video", "person_id"]
        constraints = [
            models.UniqueConstraint("video", "person_id", name="one_video_person_per_number")
        ]

    def __str__(self) -> str:
        return f"{self.video} {person_in_sentence(self.person_id, self.label)}"

    @property
    def called(self) -> str:
        """How pages call it: `P3`, or `P4 vehicle`."""
        return person_label(self.person_id, {self.person_id: self.label})

    @classmethod
    def draw(cls, clip: Clip, label: str = "person") -> Self:
        """Add a person that annotators drew, with the next number of the video.

        Inside a transaction: waits for others who add persons to the video.
        """
        list(Video.objects.select_for_update().filter(pk=clip.video_id).values("pk"))
        return cls.objects.create(
            video_id=clip.video_id, clip=clip, is_drawn=True, label=label,
            person_id=highest_person_id(clip.video) + 1,
        )  # fmt: skip

    @classmethod
    def add_tracked(cls, video: Video, labels: Mapping[int, str]) -> set[int]:
        """Add the tracked persons of these numbers; return the numbers of drawn persons.

        `labels` says what each is. Inside a transaction: waits for others who add persons to
        the video.
        """
        list(Video.objects.select_for_update().filter(pk=video.pk).values("pk"))
        there = dict(cls.objects.filter(video=video).values_list("person_id", "is_drawn"))
        new = sorted(labels.keys() - there.keys())
        VideoPerson.objects.bulk_create(
            VideoPerson(video=video, person_id=number, label=labels[number]) for number in new
        )
        return {number for number in labels if there.get(number)}


def highest_person_id(video: Video) -> int:
    """The highest number that a person of `video` ever had; 0 for none."""
    found = VideoPerson.objects.filter(video=video).aggregate(last=Max("person_id"))
    return found["last"] or 0


class PersonCorrectionQuerySet(models.QuerySet):
    def in_force(self) -> Self:
        """Those that are not undone, in the order they were made."""
        return self.filter(undone_at=None).order_by("pk")


class PersonCorrection(models.Model):
    """What somebody corrected about the persons of a video; undone ones stay.

    It names persons of the video, so later tracking runs get it as well.
    """

    COUNTED_AS = _("corrections of persons")

    class Kind(models.TextChoices):
        MERGE = "merge", "merged"
        SPLIT = "split", "split"
        DROP = "drop", "not a person"
        RENAME = "rename", "renamed"

    video = models.ForeignKey(Video, models.CASCADE, related_name="corrections")
    kind = models.CharField(max_length=6, choices=Kind)
    person = models.ForeignKey(VideoPerson, models.CASCADE, related_name="corrections")
    other = models.ForeignKey(
        VideoPerson, models.CASCADE, null=True, blank=True, related_name="+",
        help_text="whom it was merged with, or who it is from the frame of a split on",
    )  # fmt: skip
    clip = models.ForeignKey(Clip, models.CASCADE, null=True, blank=True, related_name="+")
    frame = models.PositiveIntegerField(null=True, blank=True, help_text="of the clip, from 0")
    name = models.CharField(max_length=80, blank=True, help_text="of a renamed person")
    name_before = models.CharField(max_length=80, blank=True)
    made_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    undone_at = models.DateTimeField(null=True, blank=True)

    objects = PersonCorrectionQuerySet.as_manager()

    class Meta:
        ordering = ["video", "pk"]

    def __str__(self) -> str:
        return f"{self.person} {self.get_kind_display()}"


class Proposal(models.Model):
    """The box of one person at one keyframe, as the tracker found it; never corrected."""

    run = models.ForeignKey(TrackingRun, models.CASCADE, related_name="proposals")
    second = models.PositiveIntegerField(help_text="keyframe, whole clip seconds")
    person_id = models.PositiveIntegerField(help_text="from 1, unique in its source video")
    x1 = models.FloatField(help_text="pixels of the standard video")
    y1 = models.FloatField()
    x2 = models.FloatField(help_text="exclusive")
    y2 = models.FloatField(help_text="exclusive")
    score = models.FloatField(help_text="0 to 1")

    class Meta:
        ordering = ["run", "second", "person_id"]
        constraints = [
            models.UniqueConstraint(
                "run", "second", "person_id", name="one_proposal_per_person_and_keyframe"
            ),
            models.CheckConstraint(
                condition=Q(x2__gt=F("x1"), y2__gt=F("y1")), name="proposal_has_area"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run} {self.second} s {person_label(self.person_id)}"


class Bundle(StagedModel):
    """An export of the clips and tracks of a dataset, for another server or program."""

    COUNTED_AS = _("bundles")

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="bundles")
    config_key = models.CharField(max_length=120)
    folder = models.CharField(max_length=500, blank=True, help_text="in the storage")
    files = models.JSONField(default=dict, blank=True, help_text="{name: {size, sha256}}")
    left_out = models.JSONField(
        default=list, blank=True, help_text="[{name, reason}] of videos that are not in it"
    )
    with_clips = models.BooleanField(
        default=True, help_text="without them no release of it can contain frames or clips"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = StagedQuerySet.as_manager()

    class Meta(StagedModel.Meta):
        ordering = ["dataset", "pk"]

    def __str__(self) -> str:
        return f"{self.dataset} bundle {self.pk}"

    def other_files(self) -> list[str]:
        """What `datasets.services.delete` frees, beside the files of fields."""
        return [f"{self.stored_folder}/"]

    @property
    def stored_folder(self) -> str:
        """Name of its folder in the storage."""
        return f"{self.dataset}/bundles/{self.pk}"


class TrackImport(StagedModel):
    """The import of the tracks of a bundle, after that of its videos and clips."""

    bundle_import = models.OneToOneField(
        BundleImport, models.CASCADE, related_name="track_import"
    )
    track_count = models.PositiveIntegerField(null=True, editable=False)

    objects = StagedQuerySet.as_manager()

    class Meta(StagedModel.Meta):
        ordering = ["bundle_import"]

    def __str__(self) -> str:
        return str(self.bundle_import)
