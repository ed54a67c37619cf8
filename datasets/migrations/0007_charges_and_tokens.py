from datetime import timedelta
from hashlib import sha256

from django.db import migrations
from django.utils import timezone


def charge_first_owners(apps, schema_editor):
    """Charge each dataset to the owner who has been one for longest."""
    members = apps.get_model("datasets", "Member").objects.filter(role="owner").order_by("-pk")
    datasets = apps.get_model("datasets", "Dataset").objects
    for dataset, user in members.values_list("dataset_id", "user_id"):
        datasets.filter(pk=dataset).update(charged_to=user)


def hash_tokens(apps, schema_editor):
    """Keep only the hashes of the tokens that operators made; they hold for another year."""
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        if "authtoken_token" not in connection.introspection.table_names(cursor):
            return
        cursor.execute("SELECT key, user_id FROM authtoken_token")
        found = cursor.fetchall()
        cursor.execute("DELETE FROM authtoken_token")
    end = timezone.now() + timedelta(days=366)
    apps.get_model("datasets", "AccessToken").objects.bulk_create(
        apps.get_model("datasets", "AccessToken")(
            user_id=user, name="made by an operator", hint=key[:8], expires_at=end,
            token_sha256=sha256(key.encode()).hexdigest(), scopes=["read", "manage"],
        )
        for key, user in found
    )


class Migration(migrations.Migration):
    dependencies = [("datasets", "0006_team")]

    operations = [
        migrations.RunPython(charge_first_owners, migrations.RunPython.noop),
        migrations.RunPython(hash_tokens, migrations.RunPython.noop),
    ]
