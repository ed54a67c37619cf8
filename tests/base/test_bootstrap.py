import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "command", [["migrate"], ["bootstrap"], ["run_pipeline", "--once"], ["demo"]]
)
def test_a_data_folder_of_0_1_is_refused_with_one_sentence(command):
    MigrationRecorder(connection).record_applied("datasets", "0002_clip_seconds")
    with pytest.raises(CommandError, match=r"made by AVA Studio 0\.1; .* set AVA_DATA_DIR"):
        call_command(*command)


def test_the_present_database_is_accepted():
    call_command("migrate", verbosity=0)
