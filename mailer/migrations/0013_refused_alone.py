"""Which delivery was refused alone stood nowhere: its reason and the words of its request were compared.

A worker of an older version, which ends its last requests during an upgrade, still knows no better: a trigger compares
them for it. The next version may drop that.
"""

from django.db import migrations, models

ALONE = """
    SELECT delivery.id FROM mailer_delivery AS delivery
    JOIN mailer_attempt AS attempt ON attempt.batch_id = delivery.batch_id AND attempt.words = delivery.reason
    WHERE delivery.batch_id = {batch} AND delivery.outcome = 'rejected' ORDER BY attempt.started_at DESC LIMIT 1
"""
REFUSED = "NEW.state = 'refused' AND NEW.refused_alone IS NULL"
SQLITE = f"""
    CREATE TRIGGER refused_by_older_versions AFTER UPDATE OF state ON mailer_batch WHEN {REFUSED}
    BEGIN UPDATE mailer_batch SET refused_alone = ({ALONE.format(batch="NEW.id")}) WHERE id = NEW.id; END
"""
FUNCTION = f"""
    CREATE OR REPLACE FUNCTION mailer_refused_by_older_versions() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN NEW.refused_alone := ({ALONE.format(batch="NEW.id")}); RETURN NEW; END $$
"""
POSTGRESQL = f"""
    CREATE TRIGGER refused_by_older_versions BEFORE UPDATE OF state ON mailer_batch FOR EACH ROW WHEN ({REFUSED})
    EXECUTE FUNCTION mailer_refused_by_older_versions()
"""
FILL = f"""
    UPDATE mailer_batch SET refused_alone = ({ALONE.format(batch="mailer_batch.id")})
    WHERE state = 'refused' AND refused_alone IS NULL
"""  # noqa: S608


def fill_and_understand_older_versions(apps, schema_editor):
    """Fill the batches of before. They are one in a thousand deliveries, and few of them are refused."""
    postgresql = schema_editor.connection.vendor == "postgresql"
    with schema_editor.connection.cursor() as cursor:
        for statement in (FUNCTION, POSTGRESQL, FILL) if postgresql else (SQLITE, FILL):
            cursor.execute(statement)


def stop(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        if schema_editor.connection.vendor == "postgresql":
            cursor.execute("DROP FUNCTION IF EXISTS mailer_refused_by_older_versions() CASCADE")
        else:
            cursor.execute("DROP TRIGGER IF EXISTS refused_by_older_versions")


class Migration(migrations.Migration):
    """Which delivery was refused when it was alone; and by whom a batch may be settled."""

    dependencies = [("mailer", "0012_events_in_neutral_words")]

    operations = [
        migrations.AddField("batch", "refused_alone", models.BigIntegerField(null=True)),
        migrations.RunPython(fill_and_understand_older_versions, stop),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    "batch",
                    "settled_by",
                    models.CharField(
                        blank=True,
                        choices=[("worker", "Worker"), ("record", "Record"), ("event", "Event"), ("editor", "Editor")],
                        default="",
                        max_length=12,
                    ),
                )
            ]
        ),
    ]
