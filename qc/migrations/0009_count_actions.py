"""Count the actions of every consensus, and compute the states of all clips again."""

from collections import Counter
from typing import Any

from django.db import migrations

AT_ONCE = 5000


def count_actions(apps: Any, schema_editor: Any) -> None:
    labels = apps.get_model("qc", "ConsensusLabel").objects.filter(box__status="agreed")
    rows = labels.exclude(rule="open").order_by("box__consensus")
    action_counts = apps.get_model("qc", "ConsensusAction").objects
    counts: Counter[tuple[int, str, str]] = Counter()
    last = None
    fields = ("box__consensus", "group", "actions")
    for consensus, group, actions in rows.values_list(*fields).iterator(AT_ONCE):
        if consensus != last and len(counts) > AT_ONCE:
            _write(action_counts, counts)
            counts = Counter()
        last = consensus
        counts.update((consensus, group, action) for action in actions)
    _write(action_counts, counts)


def _write(rows: Any, counts: Counter[tuple[int, str, str]]) -> None:
    rows.bulk_create(
        rows.model(consensus_id=consensus, group=group, action=action, count=count)
        for (consensus, group, action), count in counts.items()
    )


def forget_clock(apps: Any, schema_editor: Any) -> None:
    apps.get_model("qc", "StatusClock").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [("qc", "0008_finding_of_clips")]

    operations = [
        migrations.RunPython(count_actions, migrations.RunPython.noop),
        migrations.RunPython(forget_clock, migrations.RunPython.noop),
    ]
