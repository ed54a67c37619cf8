"""Persons that annotators drew become rows among all persons of a video."""

from typing import Any

import django.db.models.deletion
from django.db import migrations, models


def add_tracked(apps: Any, schema_editor: Any) -> None:
    """A row for each number that a track has; those drawn are there."""
    video_person = apps.get_model("tracking", "VideoPerson")
    video_person.objects.update(is_drawn=True)
    there = set(video_person.objects.values_list("video_id", "person_id"))
    person = apps.get_model("tracking", "Person")
    found = person.objects.order_by().values_list("run__clip__video_id", "person_id").distinct()
    video_person.objects.bulk_create(
        (
            video_person(video_id=video, person_id=number)
            for video, number in sorted(set(found) - there)
        ),
        batch_size=1000,
    )


def remove_tracked(apps: Any, schema_editor: Any) -> None:
    apps.get_model("tracking", "VideoPerson").objects.filter(is_drawn=False).delete()


class Migration(migrations.Migration):
    dependencies = [("datasets", "0001_initial"), ("tracking", "0001_initial")]

    operations = [
        migrations.RenameModel("DrawnPerson", "VideoPerson"),
        migrations.RemoveConstraint("videoperson", "one_drawn_person_per_number"),
        migrations.AlterField(
            "videoperson", "video",
            models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="persons",
                to="datasets.video",
            ),
        ),
        migrations.AlterField(
            "videoperson", "clip",
            models.ForeignKey(
                blank=True, help_text="in which it was drawn", null=True,
                on_delete=django.db.models.deletion.SET_NULL, related_name="drawn_persons",
                to="datasets.clip",
            ),
        ),
        migrations.AlterField(
            "videoperson", "person_id",
            models.PositiveIntegerField(help_text="from 1, unique in its source video"),
        ),
        migrations.AlterField(
            "videoperson", "boxes",
            models.JSONField(
                default=dict,
                help_text="of a drawn person: {second: [x1, y1, x2, y2]} in the newest "
                "consensus; empty: not in it",
            ),
        ),
        migrations.AddField(
            "videoperson", "is_drawn",
            models.BooleanField(default=False, help_text="by annotators, and not tracked"),
        ),
        migrations.AddConstraint(
            "videoperson",
            models.UniqueConstraint("video", "person_id", name="one_video_person_per_number"),
        ),
        migrations.RunPython(add_tracked, remove_tracked),
    ]  # fmt: skip
