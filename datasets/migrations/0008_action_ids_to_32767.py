from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('datasets', '0007_charges_and_tokens'),
    ]

    operations = [
        migrations.RemoveConstraint(model_name='action', name='action_id_is_1_to_80'),
        migrations.AlterField(
            model_name='action',
            name='action_id',
            field=models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(32767)]),
        ),
        migrations.AddConstraint(
            model_name='action',
            constraint=models.CheckConstraint(condition=models.Q(('action_id__gte', 1), ('action_id__lte', 32767)), name='action_id_is_1_to_32767'),
        ),
    ]
