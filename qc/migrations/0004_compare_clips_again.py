"""Compare the newest answers of every clip again: single clips have no intervals any more."""

from django.db import migrations
from django.db.models import Max
from django.db.models.functions import Now


def compare_again(apps, schema_editor):
    reports = apps.get_model("qc", "AgreementReport").objects.using(schema_editor.connection.alias)
    newest = reports.order_by().values("clip").annotate(newest=Max("pk")).values("newest")
    reports.filter(pk__in=list(newest.values_list("newest", flat=True)), stage="done").update(
        stage="waiting", progress=0.0, attempts=0, deferrals=0, error="", worker="",
        lease_until=None, not_before=None, enqueued_at=None, started_at=None, finished_at=None,
        modified_at=Now(),
    )  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("qc", "0003_decisions_without_numbers")]

    operations = [migrations.RunPython(compare_again, migrations.RunPython.noop)]
