import django.db.models.deletion
from django.db import migrations, models


def note_names(apps, schema_editor):
    """The names of the videos that there are."""
    Video, VideoName = (apps.get_model('datasets', name) for name in ('Video', 'VideoName'))
    VideoName.objects.bulk_create(
        [VideoName(dataset_id=dataset, name=name)
         for dataset, name in Video.objects.order_by('pk').values_list('dataset', 'name')],
        batch_size=1000,
    )


class Migration(migrations.Migration):

    dependencies = [
        ('datasets', '0005_bundles'),
    ]

    operations = [
        migrations.CreateModel(
            name='VideoName',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.SlugField(max_length=60)),
                ('kept_for', models.CharField(blank=True, help_text='SHA-256 of the film on its way in; empty when its video is there', max_length=64)),
                ('dataset', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='video_names', to='datasets.dataset')),
            ],
            options={
                'verbose_name': 'name given',
                'verbose_name_plural': 'names given',
                'ordering': ['dataset', 'name'],
                'constraints': [models.UniqueConstraint(models.F('dataset'), models.F('name'), name='video_name_is_given_once')],
            },
        ),
        migrations.RunPython(note_names, migrations.RunPython.noop, elidable=True),
    ]
