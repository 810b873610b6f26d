"""A send may be a version of a welcome instead of an issue. On PostgreSQL nobody waits behind it for long, as in 0017."""

from importlib import import_module

from django.db import migrations, models

Shortly = import_module("mailer.migrations.0017_planning_in_ranges").Shortly


def name_versions_of_welcomes(apps, schema_editor):
    apps.get_model("mailer", "Send").objects.filter(slug__startswith="welcome:").update(kind="welcome")


class Migration(migrations.Migration):
    """Say of each send what kind it is; all that an older version adds are issues."""

    atomic = False
    dependencies = [("mailer", "0021_sends_by_first_request")]

    operations = [
        Shortly(
            [
                migrations.AddField(
                    "send",
                    "kind",
                    models.CharField(
                        choices=[("issue", "Issue"), ("welcome", "Welcome")],
                        db_default="issue",
                        default="issue",
                        max_length=8,
                    ),
                ),
                # Versions that were there before somebody went back to an older version; no issue's slug has a colon.
                migrations.RunPython(name_versions_of_welcomes, migrations.RunPython.noop),
            ]
        )
    ]
