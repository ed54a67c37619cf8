"""What the API sends and takes of reviews, decisions and releases."""

from rest_framework import serializers

from qc.models import Release, Review
from workers.api.serializers import MAX_KEY, TEXT


class VerdictSerializer(serializers.Serializer):
    """A verdict on the newest answers of tasks; a rejection needs a reason."""

    tasks = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=MAX_KEY),
        min_length=1, max_length=1000,
    )  # fmt: skip
    verdict = serializers.ChoiceField(Review.Verdict.choices)
    reason = serializers.CharField(
        default="", allow_blank=True, max_length=TEXT,
        help_text="of a rejection, or of an approval in spite of blocking findings",
    )  # fmt: skip


class ReviewSerializer(serializers.Serializer):
    task = serializers.IntegerField()
    clip = serializers.CharField()
    annotator = serializers.CharField()
    version = serializers.IntegerField(help_text="its number")


class ItemSerializer(serializers.Serializer):
    """A question for a reviewer."""

    key = serializers.CharField()
    clip = serializers.CharField()
    second = serializers.IntegerField()
    person_id = serializers.IntegerField()
    group = serializers.CharField(allow_blank=True, help_text="empty: the person or its box")
    title = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)
    answers = serializers.DictField(help_text="by annotator")


class DecisionSerializer(serializers.Serializer):
    clip = serializers.SlugField(max_length=80)
    seconds = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=100_000),
        min_length=1, max_length=200,
    )  # fmt: skip
    person_id = serializers.IntegerField(min_value=1, max_value=2**31 - 1)
    group = serializers.CharField(default="", allow_blank=True, max_length=50)
    actions = serializers.ListField(
        child=serializers.CharField(max_length=80), default=list, max_length=100
    )
    is_person = serializers.BooleanField(default=True)
    box = serializers.ListField(
        child=serializers.FloatField(min_value=-1e6, max_value=1e6),
        default=None, allow_null=True, min_length=4, max_length=4,
    )  # fmt: skip
    reason = serializers.CharField(default="", allow_blank=True, max_length=TEXT)


class DecidedSerializer(serializers.Serializer):
    decisions = serializers.ListField(child=serializers.IntegerField(), help_text="their keys")


class NewReleaseSerializer(serializers.Serializer):
    """Options of a release; a licence alone gives the default one."""

    frames = serializers.ChoiceField(
        ["full", "640", "320", "none", "annotations"], default="full"
    )
    formats = serializers.ListField(
        child=serializers.CharField(max_length=40), default=list, max_length=40
    )
    official_names = serializers.BooleanField(default=False)
    licence = serializers.CharField(
        max_length=100, help_text="SPDX identifier; none if nobody may pass it on"
    )
    authors = serializers.ListField(
        child=serializers.CharField(max_length=200), default=list, max_length=50
    )
    is_public = serializers.BooleanField(default=False)
    doi = serializers.CharField(default="", allow_blank=True, max_length=200)
    keywords = serializers.ListField(
        child=serializers.CharField(max_length=100), default=list, max_length=50
    )
    blur_faces = serializers.CharField(
        default="", allow_blank=True, max_length=210,
        help_text="heads, or the file of a face detector in the weights folder",
    )  # fmt: skip
    seed = serializers.IntegerField(default=0, min_value=0, max_value=1_000_000)
    split_list = serializers.CharField(default="", allow_blank=True, max_length=200_000)


class ReleaseSerializer(serializers.ModelSerializer):
    is_downloadable = serializers.SerializerMethodField()
    counts = serializers.SerializerMethodField(help_text="videos, clips, boxes, labels ...")

    class Meta:
        model = Release
        fields = [
            "number", "stage", "progress", "error", "created_at", "finished_at", "options",
            "counts", "is_downloadable", "withdrawn_at",
        ]  # fmt: skip
        extra_kwargs = {"options": {"help_text": "as chosen"}}

    def get_is_downloadable(self, release: Release) -> bool:
        there = release.stage == "done" and release.withdrawn_at is None
        return there and bool(release.archive or release.folder)

    def get_counts(self, release: Release) -> dict[str, int]:
        return {name: one for name, one in release.counts.items() if isinstance(one, int)}
