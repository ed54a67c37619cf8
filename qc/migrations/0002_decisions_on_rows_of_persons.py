"""Decisions refer to the row of a person, not to its number."""

from typing import Any

import django.db.models.deletion
from django.db import migrations, models


def refer_to_rows(apps: Any, schema_editor: Any) -> None:
    """The row of each decision's number; one that no person has any more becomes a row."""
    adjudication = apps.get_model("qc", "Adjudication")
    video_person = apps.get_model("tracking", "VideoPerson")
    places = adjudication.objects.order_by().values_list("clip__video_id", "person_id")
    for video, number in sorted(set(places)):
        row, _ = video_person.objects.get_or_create(video_id=video, person_id=number)
        its = adjudication.objects.filter(clip__video_id=video, person_id=number)
        its.update(video_person=row)


def refer_to_numbers(apps: Any, schema_editor: Any) -> None:
    adjudication = apps.get_model("qc", "Adjudication")
    for one in adjudication.objects.select_related("video_person").iterator():
        adjudication.objects.filter(pk=one.pk).update(person_id=one.video_person.person_id)


class Migration(migrations.Migration):
    dependencies = [
        ("qc", "0001_initial"),
        ("tracking", "0002_persons_of_a_video"),
    ]

    operations = [
        migrations.AddField(
            "adjudication", "video_person",
            models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.RESTRICT,
                related_name="adjudications", to="tracking.videoperson",
            ),
        ),
        migrations.AlterField(
            "adjudication", "person_id", models.PositiveIntegerField(null=True)
        ),
        migrations.RunPython(refer_to_rows, refer_to_numbers),
    ]  # fmt: skip
