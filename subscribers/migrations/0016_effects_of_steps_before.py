from importlib import import_module

from django.db import migrations

EFFECT = import_module("subscribers.migrations.0015_effects_of_steps").EFFECT


def fill(apps, schema_editor):
    """Give the steps that an older version wrote their effect. One pass over the table; only such rows are changed."""
    told = EFFECT.format(how="how", step="step", source="source", about="about")
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE subscribers_consent SET effect = {told}"  # noqa: S608
            " WHERE effect IS NULL AND (step = 'changed' OR how LIKE '%, no mail')"
        )


class Migration(migrations.Migration):
    """The effects of steps that were taken before there was a column for them."""

    dependencies = [("subscribers", "0015_effects_of_steps")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
