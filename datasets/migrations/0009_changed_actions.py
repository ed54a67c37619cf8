import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('datasets', '0008_action_ids_to_32767'),
    ]

    operations = [
        migrations.AddField(
            model_name='action',
            name='former_names',
            field=models.JSONField(blank=True, default=list, help_text='names that answers may still have'),
        ),
        migrations.AddField(
            model_name='action',
            name='merged_into',
            field=models.ForeignKey(blank=True, help_text='the action that its answers count as', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='merged', to='datasets.action'),
        ),
        migrations.AddField(
            model_name='action',
            name='retired_at',
            field=models.DateTimeField(blank=True, help_text='since when it is no longer offered to annotators', null=True),
        ),
    ]
