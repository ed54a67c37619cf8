import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ('qc', '0010_agreement_parts'),
    ]

    operations = [
        migrations.CreateModel(
            name='ReleaseEvaluation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('model', models.CharField(help_text='name of the model, as in the curve', max_length=100)),
                ('split', models.CharField(default='val', help_text='what it was measured on', max_length=10)),
                ('mean_ap', models.FloatField(help_text='frame mAP at an IoU of 0.5, 0 to 1', validators=[django.core.validators.MinValueValidator(0.0), django.core.validators.MaxValueValidator(1.0)])),
                ('per_action', models.JSONField(blank=True, default=dict, help_text='average precision by action id, if it is known')),
                ('recorded_at', models.DateTimeField(auto_now=True)),
                ('recorded_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to=settings.AUTH_USER_MODEL)),
                ('release', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='evaluations', to='qc.release')),
            ],
            options={
                'ordering': ['release', 'model', 'split'],
                'constraints': [models.UniqueConstraint(models.F('release'), models.F('model'), models.F('split'), name='one_evaluation_per_model_and_split'), models.CheckConstraint(condition=models.Q(('mean_ap__gte', 0), ('mean_ap__lte', 1)), name='mean_ap_from_0_to_1')],
            },
        ),
    ]
