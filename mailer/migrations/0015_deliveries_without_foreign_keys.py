"""PostgreSQL checked the send and the batch of each planned delivery by a trigger: three quarters of the INSERT.

A send, its batches and its deliveries are planned and deleted together, in one transaction each; what checks it now is
`mailer.sending.orphans`. Workers of an older version need not know. On SQLite the constraints stay: dropping one means
writing the whole table anew, and they cost it little.
"""

import logging
import time

import django.db.models.deletion
from django.db import OperationalError, migrations, models, transaction

log = logging.getLogger(__name__)

# Everybody who wants these tables waits behind an ALTER TABLE that waits, so it gives up soon and comes back later:
# a plan of a million subscribers keeps its locks for a minute.
LOCK_TIMEOUT = "200ms"
PAUSE = 1.0  # seconds
PATIENCE = 1800.0  # seconds
TRY_AGAIN = ("55P03", "40P01")  # lock not available, deadlock

# In the order in which claims lock rows of them.
LOCK = "LOCK TABLE mailer_send, mailer_batch, mailer_delivery IN ACCESS EXCLUSIVE MODE"
FOUND = """
    SELECT conname FROM pg_constraint WHERE contype = 'f' AND conrelid = 'mailer_delivery'::regclass
    AND confrelid IN ('mailer_send'::regclass, 'mailer_batch'::regclass)
"""
PUT_BACK = """
    ALTER TABLE mailer_delivery ADD CONSTRAINT mailer_delivery_{column}_fk
    FOREIGN KEY ({column}) REFERENCES {table} DEFERRABLE INITIALLY DEFERRED NOT VALID
"""


def drop(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        locked_shortly(schema_editor.connection, drop_found)


def put_back(apps, schema_editor):
    """Add the constraints for new rows in a moment, then look at the old ones while others read and write."""
    if schema_editor.connection.vendor != "postgresql":
        return
    locked_shortly(schema_editor.connection, add_unchecked)
    with schema_editor.connection.cursor() as cursor:
        for name in found(cursor):
            cursor.execute(f'ALTER TABLE mailer_delivery VALIDATE CONSTRAINT "{name}"')


def drop_found(cursor):
    for name in found(cursor):
        cursor.execute(f'ALTER TABLE mailer_delivery DROP CONSTRAINT "{name}"')


def add_unchecked(cursor):
    drop_found(cursor)  # of a run that was stopped before it had looked at the old rows
    cursor.execute(PUT_BACK.format(column="send_id", table="mailer_send"))
    cursor.execute(PUT_BACK.format(column="batch_id", table="mailer_batch"))


def found(cursor):
    cursor.execute(FOUND)
    return [name for (name,) in cursor.fetchall()]


def locked_shortly(connection, alter):
    """Run `alter` with the tables locked; wait for the locks in short steps, between which others go on."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
                cursor.execute(LOCK)
                alter(cursor)
            return
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) not in TRY_AGAIN or time.monotonic() > until:
                raise
        log.info("migration waits for the tables of sends")
        time.sleep(PAUSE)


class Migration(migrations.Migration):
    """Plan deliveries on PostgreSQL without a lookup of their send and batch for each."""

    atomic = False
    dependencies = [("mailer", "0014_detail_of_attempts")]

    operations = [
        migrations.RunPython(drop, put_back),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    "delivery",
                    "send",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="mailer.send",
                    ),
                ),
                migrations.AlterField(
                    "delivery",
                    "batch",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="mailer.batch",
                    ),
                ),
            ],
        ),
    ]
