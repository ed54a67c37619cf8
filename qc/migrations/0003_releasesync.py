
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('qc', '0002_reports_again'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ReleaseSync',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('stage', models.CharField(choices=[('waiting', 'Waiting'), ('running', 'Running'), ('done', 'Done'), ('failed', 'Failed')], db_index=True, default='waiting', max_length=10)),
                ('progress', models.FloatField(default=0.0, editable=False, help_text='share done, 0 to 1')),
                ('lease_until', models.DateTimeField(blank=True, editable=False, null=True)),
                ('handed_out_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('started_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('finished_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('worker', models.CharField(blank=True, editable=False, max_length=200)),
                ('attempts', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('error', models.TextField(blank=True)),
                ('prefix', models.CharField(help_text='without slashes around it', max_length=500, unique=True)),
                ('parts', models.JSONField(default=list, help_text='beside the annotations, which always go')),
                ('counts', models.JSONField(blank=True, default=dict, help_text='files and bytes, sent and there')),
                ('ordered_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to=settings.AUTH_USER_MODEL)),
                ('release', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='syncs', to='qc.release')),
            ],
            options={
                'ordering': ['release', 'pk'],
            },
        ),
    ]
