import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def admins_become_owners(apps, schema_editor):
    apps.get_model("datasets", "Member").objects.filter(role="admin").update(role="owner")


def owners_become_admins(apps, schema_editor):
    apps.get_model("datasets", "Member").objects.filter(role="owner").update(role="admin")


class Migration(migrations.Migration):
    dependencies = [
        ("datasets", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name="member",
            name="role",
            field=models.CharField(
                choices=[
                    ("owner", "Owner"),
                    ("manager", "Manager"),
                    ("reviewer", "Reviewer"),
                    ("annotator", "Annotator"),
                    ("viewer", "Viewer"),
                ],
                default="owner",
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="member",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="memberships",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.RunPython(admins_become_owners, owners_become_admins),
    ]
