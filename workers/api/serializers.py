"""What the API sends and takes, by resource. Boxes are [x1, y1, x2, y2] in pixels."""

from typing import Any

from rest_framework import serializers

from datasets.accounts.tokens import SCOPES
from datasets.core.roles import Act
from datasets.models import ActivityRecord, Member, Upload, Video

TEXT = 2000  # characters
MAX_KEY = 2**63 - 1
NUMBER: dict[str, Any] = {"min_value": 0, "max_value": 2**31 - 1}
ROLES = Member.Role.choices


class UsageSerializer(serializers.Serializer):
    datasets = serializers.IntegerField()
    max_datasets = serializers.IntegerField(help_text="0: no limit")
    used_bytes = serializers.IntegerField()
    max_bytes = serializers.IntegerField(help_text="0: no limit")


class MeSerializer(serializers.Serializer):
    """The account, and what this token opens."""

    user = serializers.CharField()
    may_create_datasets = serializers.BooleanField()
    scopes = serializers.ListField(child=serializers.ChoiceField(list(SCOPES)))
    dataset = serializers.CharField(allow_null=True, help_text="the only one of the token")
    expires_at = serializers.DateTimeField(allow_null=True)
    usage = UsageSerializer()


class DatasetSerializer(serializers.Serializer):
    name = serializers.CharField()
    description = serializers.CharField()
    annotation_fps = serializers.IntegerField()
    clip_seconds = serializers.IntegerField()
    longest_side = serializers.IntegerField()
    detector = serializers.CharField()
    threshold = serializers.FloatField()
    frame_stride = serializers.IntegerField()
    keep_ids = serializers.BooleanField(help_text="of imported boxes: each id is a track")
    classes = serializers.CharField(help_text="what is followed, separated by commas")
    created_at = serializers.DateTimeField()
    role = serializers.CharField(help_text="of the account in it")
    may = serializers.ListField(child=serializers.ChoiceField([act.value for act in Act]))
    can_manage = serializers.BooleanField(help_text="whether one may create bundles")
    bundles = serializers.CharField(help_text="address of its bundles")


class ActionSerializer(serializers.Serializer):
    name = serializers.CharField()
    action_id = serializers.IntegerField()


class GroupSerializer(serializers.Serializer):
    name = serializers.CharField()
    choice = serializers.ChoiceField(["one", "many"])
    scope = serializers.ChoiceField(["keyframe", "person", "clip"])
    required = serializers.BooleanField()  # type: ignore[assignment]
    max_per_person = serializers.IntegerField()
    actions = ActionSerializer(many=True)


class DatasetDetailSerializer(DatasetSerializer):
    groups = GroupSerializer(many=True, help_text="the vocabulary")


class NewDatasetSerializer(serializers.Serializer):
    """A new dataset; what is left out has its default."""

    name = serializers.SlugField(max_length=50)
    vocabulary = serializers.CharField(
        default="ava-v2.2", max_length=50, help_text="a shipped one; `own` with vocabulary_text"
    )
    vocabulary_text = serializers.CharField(
        required=False, max_length=100_000, help_text="YAML or AVA pbtxt"
    )
    description = serializers.CharField(required=False, allow_blank=True, max_length=TEXT)
    detector = serializers.CharField(required=False, max_length=40)
    weights = serializers.CharField(required=False, allow_blank=True, max_length=500)
    threshold = serializers.FloatField(required=False, min_value=0, max_value=1)
    frame_stride = serializers.IntegerField(required=False, min_value=1, max_value=30)
    keep_ids = serializers.BooleanField(
        required=False, help_text="of imported boxes: each id is a track"
    )
    classes = serializers.CharField(
        required=False, max_length=200, help_text="what is followed: person, vehicle, ..."
    )
    longest_side = serializers.IntegerField(required=False, min_value=64, max_value=4096)
    clip_seconds = serializers.IntegerField(required=False, min_value=4, max_value=120)
    annotation_fps = serializers.IntegerField(required=False, min_value=1, max_value=30)
    keep_truncated = serializers.BooleanField(required=False)


class DescriptionSerializer(serializers.Serializer):
    description = serializers.CharField(allow_blank=True, max_length=TEXT)


class MemberSerializer(serializers.Serializer):
    pk = serializers.IntegerField()
    user = serializers.CharField()
    role = serializers.ChoiceField(ROLES)
    annotator = serializers.CharField(help_text="as whom they label; empty: nobody")


class RoleSerializer(serializers.Serializer):
    role = serializers.ChoiceField(ROLES)


class NewInvitationSerializer(serializers.Serializer):
    role = serializers.ChoiceField(ROLES)
    days = serializers.IntegerField(default=14, min_value=1, max_value=90)
    max_uses = serializers.IntegerField(default=1, min_value=1, max_value=100)
    annotator = serializers.CharField(required=False, allow_blank=True, max_length=150)


class InvitationSerializer(serializers.Serializer):
    role = serializers.ChoiceField(ROLES)
    link = serializers.CharField(help_text="shown only now")
    expires_at = serializers.DateTimeField()


class ActivitySerializer(serializers.ModelSerializer):
    class Meta:
        model = ActivityRecord
        fields = ["happened_at", "user_name", "verb", "target", "details"]


class UploadSerializer(serializers.ModelSerializer):
    skipped_files = serializers.ListField(child=serializers.DictField())

    class Meta:
        model = Upload
        fields = [
            "pk", "original_name", "size", "stage", "progress", "error", "created_at",
            "skipped_files", "is_bundle",
        ]  # fmt: skip


class VideoSerializer(serializers.ModelSerializer):
    seconds = serializers.FloatField(allow_null=True)

    class Meta:
        model = Video
        fields = [
            "name", "original_name", "sha256", "size", "stage", "progress", "error", "width",
            "height", "frame_count", "seconds", "warnings",
        ]  # fmt: skip


class ClipSerializer(serializers.Serializer):
    name = serializers.CharField(help_text="the AVA video_id")
    video = serializers.CharField()
    state = serializers.CharField(help_text="as in the list of clips")
    frame_count = serializers.IntegerField()
    seconds = serializers.FloatField()
    persons = serializers.IntegerField()
    tasks = serializers.IntegerField()
    open_items = serializers.IntegerField(help_text="that wait for adjudication")
    findings = serializers.IntegerField()
    lowest_alpha = serializers.FloatField(allow_null=True)
    is_releasable = serializers.BooleanField()


class ClipDetailSerializer(serializers.Serializer):
    name = serializers.CharField()
    video = serializers.CharField()
    index = serializers.IntegerField()
    start_frame = serializers.IntegerField(help_text="in the standard video")
    frame_count = serializers.IntegerField()
    keyframes = serializers.ListField(child=serializers.IntegerField(), help_text="seconds")
    width = serializers.IntegerField(allow_null=True)
    height = serializers.IntegerField(allow_null=True)
    stage = serializers.CharField()
    runs = serializers.ListField(child=serializers.CharField(), help_text="tracking runs")


class TrackSerializer(serializers.Serializer):
    track_id = serializers.IntegerField()
    person_id = serializers.IntegerField(allow_null=True)
    label = serializers.CharField(  # type: ignore[assignment]
        help_text="what it is, of the classes that are followed"
    )
    frames = serializers.ListField(child=serializers.IntegerField())
    boxes = serializers.ListField(child=serializers.ListField(child=serializers.FloatField()))
    scores = serializers.ListField(
        child=serializers.FloatField(allow_null=True),
        help_text="null where the tracker filled a gap",
    )


class TracksSerializer(serializers.Serializer):
    clip = serializers.CharField()
    config_key = serializers.CharField()
    tracks = TrackSerializer(many=True)


class LabelSerializer(serializers.Serializer):
    group = serializers.CharField()
    actions = serializers.ListField(child=serializers.CharField())
    rule = serializers.CharField()


class ConsensusBoxSerializer(serializers.Serializer):
    second = serializers.IntegerField()
    person_id = serializers.IntegerField()
    label = serializers.CharField(  # type: ignore[assignment]
        help_text="what it is, of the classes that are followed"
    )
    box = serializers.ListField(child=serializers.FloatField())
    status = serializers.CharField()
    labels = LabelSerializer(many=True)


class ConsensusSerializer(serializers.Serializer):
    clip = serializers.CharField()
    boxes = ConsensusBoxSerializer(many=True)


class TableSerializer(serializers.Serializer):
    """A table as on the page: a row is an object with a value for each column."""

    name = serializers.CharField()
    title = serializers.CharField()
    columns = serializers.ListField(child=serializers.CharField())
    rows = serializers.ListField(child=serializers.DictField())


class AgreementSerializer(serializers.Serializer):
    tables = TableSerializer(many=True)


class PlanSerializer(serializers.Serializer):
    """How to assign clips; shares are 0 to 1."""

    annotators = serializers.ListField(
        child=serializers.RegexField(r"^[\w.@+-]*\w[\w.@+-]*\Z", max_length=150),
        min_length=1, max_length=500,
    )  # fmt: skip
    overlap = serializers.FloatField(default=0.3, min_value=0, max_value=1)
    per_clip = serializers.IntegerField(
        default=None, allow_null=True, min_value=2, max_value=500
    )
    seed = serializers.IntegerField(default=0, **NUMBER)
    blind = serializers.FloatField(default=0.0, min_value=0, max_value=1)
    gold = serializers.FloatField(default=0.0, min_value=0, max_value=1)
    tool = serializers.ChoiceField(
        ["", "label page", "CVAT", "package"], default="", help_text="of new annotators"
    )
    digest = serializers.CharField(
        default="", allow_blank=True, max_length=100, help_text="of the preview, if made"
    )
    preview = serializers.BooleanField(default=False, help_text="write nothing")


class PlannedSerializer(serializers.Serializer):
    tasks = serializers.IntegerField(help_text="new ones")
    by_annotator = serializers.DictField(child=serializers.IntegerField())
    digest = serializers.CharField()
    is_preview = serializers.BooleanField()


class AnnotatorSerializer(serializers.Serializer):
    pk = serializers.IntegerField()
    name = serializers.CharField()
    tool = serializers.CharField()
    is_active = serializers.BooleanField()
    user = serializers.CharField(allow_null=True)


class CountSerializer(serializers.Serializer):
    count = serializers.IntegerField()


class TaskSerializer(serializers.Serializer):
    pk = serializers.IntegerField()
    clip = serializers.CharField()
    annotator = serializers.CharField()
    purpose = serializers.ChoiceField(["work", "gold", "check"])
    is_blind = serializers.BooleanField()
    state = serializers.CharField(help_text="as in the list of tasks")
    version = serializers.IntegerField(allow_null=True, help_text="newest answers")
    verdict = serializers.CharField(help_text="approved, rejected or empty")
    has_package = serializers.BooleanField()


class MyTaskSerializer(serializers.Serializer):
    pk = serializers.IntegerField()
    dataset = serializers.CharField()
    clip = serializers.CharField()
    is_answered = serializers.BooleanField()


class VersionSerializer(serializers.Serializer):
    number = serializers.IntegerField()
    stage = serializers.CharField()
    error = serializers.CharField(allow_blank=True)
    source = serializers.CharField()  # type: ignore[assignment]
    persons = serializers.IntegerField(allow_null=True)
    unfinished = serializers.IntegerField(allow_null=True)


class AnswerSerializer(serializers.Serializer):
    second = serializers.IntegerField()
    person_id = serializers.IntegerField(allow_null=True)
    box = serializers.ListField(child=serializers.FloatField())
    answers = serializers.DictField(help_text="by group: an action, a list, unknown or unset")


class VersionDetailSerializer(VersionSerializer):
    annotations = AnswerSerializer(many=True)


class ImportedSerializer(serializers.Serializer):
    received = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    refused = serializers.ListField(child=serializers.DictField())


class CommentSerializer(serializers.Serializer):
    text = serializers.CharField(max_length=TEXT)
