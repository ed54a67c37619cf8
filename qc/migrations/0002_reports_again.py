"""Reports hold more than before, and summaries are made of it: the newest are made again."""

from django.db import migrations, models


def order_again(apps, schema_editor):
    reports = apps.get_model("qc", "AgreementReport").objects
    done = reports.filter(stage="done").order_by()
    newest = done.values("clip").annotate(newest=models.Max("pk"))
    reports.filter(pk__in=newest.values("newest")).update(
        stage="waiting", attempts=0, handed_out_at=None, progress=0.0
    )
    apps.get_model("qc", "AgreementSummary").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [("qc", "0001_initial")]

    operations = [migrations.RunPython(order_again, migrations.RunPython.noop)]
