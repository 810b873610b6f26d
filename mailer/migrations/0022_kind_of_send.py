"""A send may be a version of a welcome instead of an issue. On PostgreSQL nobody waits behind it for long, as in 0017."""

from importlib import import_module

from django.db import migrations, models

Shortly = import_module("mailer.migrations.0017_planning_in_ranges").Shortly


class Migration(migrations.Migration):
    """Say of each send what kind it is; all there are, and all that an older version adds, are issues."""

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
                )
            ]
        )
    ]
