"""Every decision has the row of its person; the number goes."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("qc", "0002_decisions_on_rows_of_persons")]

    operations = [
        migrations.AlterField(
            "adjudication", "video_person",
            models.ForeignKey(
                on_delete=django.db.models.deletion.RESTRICT, related_name="adjudications",
                to="tracking.videoperson",
            ),
        ),
        migrations.AlterModelOptions(
            "adjudication", {"ordering": ["clip", "second", "video_person__person_id", "pk"]}
        ),
        migrations.RemoveField("adjudication", "person_id"),
    ]  # fmt: skip
