"""Validation of requests by the rules of CVAT's serializers: lengths, types, choices.

The limits are those of the server's models (2.54 and newer), the words of refusals those of
Django REST framework, which both CVAT and this are built on.
"""

from typing import Any

from rest_framework import serializers
from rest_framework.serializers import (
    BooleanField,
    CharField,
    ChoiceField,
    EmailField,
    FloatField,
    IntegerField,
    ListField,
    MultipleChoiceField,
    Serializer,
    URLField,
)

from tests.cvat_double.state import EVENTS, HTML_500, RefusedError, Row

INPUT_TYPES = ("checkbox", "radio", "number", "text", "select")
VALUES_TOGETHER = 4096  # characters in the column, joined by line ends: more fails inside


class AttributeIn(Serializer):
    id = IntegerField(required=False)
    name = CharField(max_length=64)
    mutable = BooleanField()
    input_type = ChoiceField(choices=INPUT_TYPES)
    default_value = CharField(max_length=128, allow_blank=True, required=False)
    values = ListField(child=CharField(allow_blank=True, max_length=200))


class LabelIn(Serializer):
    name = CharField(max_length=64, required=False)
    color = CharField(allow_blank=True, required=False)
    type = CharField(allow_blank=True, required=False)
    attributes = AttributeIn(many=True, default=[])


class ProjectIn(Serializer):
    name = CharField(max_length=256)
    labels = LabelIn(many=True, default=[])


class TaskIn(Serializer):
    name = CharField(max_length=256)
    project_id = IntegerField(required=False, allow_null=True)
    segment_size = IntegerField(min_value=0, required=False)
    overlap = IntegerField(min_value=0, required=False, allow_null=True)
    subset = CharField(max_length=64, allow_blank=True, required=False)


class ImagesIn(Serializer):
    image_quality = IntegerField(min_value=0, max_value=100)
    use_cache = BooleanField(default=False)
    sorting_method = ChoiceField(
        choices=("lexicographical", "natural", "predefined", "random"), required=False
    )


class WebhookIn(Serializer):
    target_url = URLField(max_length=8192)
    description = CharField(max_length=128, allow_blank=True, required=False)
    type = ChoiceField(choices=("organization", "project"))
    content_type = ChoiceField(choices=("application/json",), required=False)
    secret = CharField(max_length=64, allow_blank=True, required=False)
    is_active = BooleanField(required=False)
    enable_ssl = BooleanField(required=False)
    project_id = IntegerField(allow_null=True, required=False)
    events = MultipleChoiceField(choices=EVENTS)


class GuideIn(Serializer):
    project_id = IntegerField(required=False, allow_null=True)
    markdown = CharField(allow_blank=True, required=False, trim_whitespace=False)


class IssueIn(Serializer):
    job = IntegerField()
    frame = IntegerField(min_value=0)
    position = ListField(child=FloatField(), allow_empty=False)
    message = CharField()
    assignee = IntegerField(required=False, allow_null=True)
    resolved = BooleanField(required=False)


class InvitationIn(Serializer):
    role = ChoiceField(choices=("worker", "supervisor", "maintainer", "owner"))
    email = EmailField()


class ValueIn(Serializer):
    spec_id = IntegerField()
    value = CharField(max_length=4096, allow_blank=True)


class Points(ListField):
    """Numbers that are numbers: text is refused, as CVAT does to be fast."""

    def to_internal_value(self, data: Any) -> Any:
        if any(type(one) not in (int, float) for one in data):
            raise serializers.ValidationError("Value must be a float or an integer")
        return data


class ShapeIn(Serializer):
    type = ChoiceField(
        choices=(
            "rectangle", "polygon", "polyline", "points", "ellipse", "cuboid", "mask",
            "skeleton",
        )
    )  # fmt: skip
    frame = IntegerField(min_value=0)
    points = Points(allow_empty=True, required=False)
    outside = BooleanField(default=False)
    occluded = BooleanField(default=False)
    z_order = IntegerField(default=0)
    rotation = FloatField(default=0, min_value=0, max_value=360)
    attributes = ValueIn(many=True, default=[])


class TrackIn(Serializer):
    frame = IntegerField(min_value=0)
    label_id = IntegerField(min_value=0)
    group = IntegerField(min_value=0, allow_null=True, default=None)
    source = CharField(default="manual")  # type: ignore[assignment]
    shapes = ShapeIn(many=True, allow_empty=True)
    attributes = ValueIn(many=True, default=[])


class AnnotationsIn(Serializer):
    version = IntegerField(default=0)
    tracks = TrackIn(many=True, default=[])


def check(rules: type[Serializer], body: Any, *, partial: bool = False) -> Row:
    """`body` as CVAT takes it: what it does not know is dropped. Raises RefusedError."""
    form = rules(data=body, partial=partial)
    if not form.is_valid():
        raise RefusedError(400, form.errors)
    return dict(form.validated_data)


def check_labels(labels: list[Row]) -> None:
    """What only the database refuses, and CVAT fails inside."""
    for label in labels:
        names = [one["name"] for one in label.get("attributes", [])]
        for name in names:
            if names.count(name) > 1:
                raise RefusedError(400, [f"Duplicate attribute with name '{name}' exists"])
        for one in label.get("attributes", []):
            if (
                len("\n".join(one["values"])) > VALUES_TOGETHER
                or len(label.get("color", "")) > 8
            ):
                raise RefusedError(500, HTML_500)
