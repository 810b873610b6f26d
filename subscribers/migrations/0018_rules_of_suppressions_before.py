from importlib import import_module

from django.db import migrations

before = import_module("subscribers.migrations.0017_rules_of_suppressions")


def fill(apps, schema_editor):
    """Give the suppressions that an older version wrote their rule, and the newsletters that their note names.

    In the order in which `optin` locks many of them: else the two could wait for each other.
    """
    vendor = schema_editor.connection.vendor
    lock = "ORDER BY hash FOR NO KEY UPDATE" if vendor == "postgresql" else ""
    names = {"reason": "reason", "note": "note"}
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE subscribers_suppression SET rule = {before.RULE.format(**names)},"  # noqa: S608
            f" newsletters_left = {before.left(vendor, **names)} WHERE hash IN"
            " (SELECT hash FROM subscribers_suppression WHERE reason = 'bounce'"
            " AND note IN ('hard bounce', 'three soft bounces') AND rule IS NULL"
            f" OR reason = 'erased' AND note LIKE 'left: %' AND newsletters_left IS NULL {lock})"
        )


class Migration(migrations.Migration):
    """The rules of suppressions that were made before there was a column for them."""

    dependencies = [("subscribers", "0017_rules_of_suppressions")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
