from importlib import import_module

from django.db import migrations

EFFECT = import_module("subscribers.migrations.0015_effects_of_steps").EFFECT


def fill(apps, schema_editor):
    """Give the steps that an older version wrote their effect. Only such rows are changed, and locked in one order."""
    lock = "ORDER BY id FOR NO KEY UPDATE" if schema_editor.connection.vendor == "postgresql" else ""
    told = EFFECT.format(how="how", step="step", source="source", about="about")
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE subscribers_consent SET effect = {told}"  # noqa: S608
            " WHERE id IN (SELECT id FROM subscribers_consent"
            f" WHERE effect IS NULL AND (step = 'changed' OR how LIKE '%, no mail') {lock})"
        )


class Migration(migrations.Migration):
    """The effects of steps that were taken before there was a column for them."""

    dependencies = [("subscribers", "0015_effects_of_steps")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
