"""A send to more subscribers than one transaction should hold is planned in ranges, in a state of its own.

On PostgreSQL everybody who wants the table of sends waits behind an ALTER TABLE that waits, so this gives up soon and
comes back, as 0015 does. The table has a row for each send, so checking it takes no time.
"""

from functools import partial
from importlib import import_module

import django.db.models.deletion
from django.db import migrations, models, transaction

locked_shortly = import_module("mailer.migrations.0015_deliveries_without_foreign_keys").locked_shortly

BEFORE = ["scheduled", "sending", "paused", "finished", "cancelled"]
NOW = ["scheduled", "planning", *BEFORE[1:]]


class Shortly(migrations.SeparateDatabaseAndState):
    """Do all of the operations in one transaction, on PostgreSQL with locks that nobody waits behind for long."""

    def __init__(self, operations):
        super().__init__(operations, operations)

    def deconstruct(self):
        return self.__class__.__name__, [self.database_operations], {}

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        at_once(schema_editor, partial(super().database_forwards, app_label, schema_editor, from_state, to_state))

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        at_once(schema_editor, partial(super().database_backwards, app_label, schema_editor, from_state, to_state))


def at_once(schema_editor, alter):
    if schema_editor.connection.vendor == "postgresql":
        locked_shortly(schema_editor.connection, lambda cursor: alter())
    else:
        with transaction.atomic(using=schema_editor.connection.alias):
            alter()


def refuse_while_planning(apps, schema_editor):
    """An older version knows nothing of what is half planned."""
    if send := apps.get_model("mailer", "Send").objects.filter(state="planning").first():
        raise RuntimeError(f"{send.slug} is being planned; wait until it is, or `mailer cancel {send.slug}` first")


class Migration(migrations.Migration):
    """Plan a large send in ranges."""

    atomic = False
    dependencies = [("mailer", "0016_next_batch")]

    operations = [
        Shortly(
            [
                migrations.CreateModel(
                    "Planning",
                    [
                        (
                            "send",
                            models.OneToOneField(
                                db_constraint=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                primary_key=True,
                                serialize=False,
                                to="mailer.send",
                            ),
                        ),
                        ("until", models.BigIntegerField()),
                        ("frozen_at", models.DateTimeField()),
                        ("expected", models.PositiveIntegerField()),
                        ("position", models.BigIntegerField(default=0)),
                        ("paused", models.BooleanField(default=False)),
                    ],
                ),
                migrations.RemoveConstraint("send", "send_state_known"),
                migrations.AddConstraint(
                    "send",
                    models.CheckConstraint(condition=models.Q(state__in=NOW), name="send_state_known"),
                ),
            ]
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    "send",
                    "state",
                    models.CharField(
                        choices=[(state, state.capitalize()) for state in NOW], default="sending", max_length=12
                    ),
                )
            ]
        ),
        migrations.RunPython(migrations.RunPython.noop, refuse_while_planning),
    ]
