"""A column for what rules read from the texts of steps until now.

Processes of an older version, which run on during an upgrade, write the texts alone: a trigger adds the column to their
rows. The next version may drop it. Old rows are filled by the next migration, apart from this one: adding a column keeps
everybody else from the table until the transaction ends.
"""

from django.db import migrations, models

TELLING = "NEW.effect IS NULL AND (NEW.step = 'changed' OR NEW.how LIKE '%, no mail')"
EFFECT = """
    CASE WHEN {how} LIKE '%, no mail' THEN 'no mail'
        WHEN {step} = 'changed' AND {source} LIKE 'suppressed: %' THEN 'suppressed'
        WHEN {step} = 'changed' AND {source} LIKE 'lifted: %' THEN 'lifted'
        WHEN {step} = 'changed' AND {about} = '' AND {source} LIKE 'address changed%' THEN 'moved'
    END
"""
COLUMNS = ("how", "step", "source", "about")
SQLITE = f"""
    CREATE TRIGGER effect_of_older_versions AFTER INSERT ON subscribers_consent WHEN {TELLING}
    BEGIN UPDATE subscribers_consent SET effect = {EFFECT.format(**{one: f'NEW.{one}' for one in COLUMNS})}
        WHERE id = NEW.id; END
"""
FUNCTION = f"""
    CREATE OR REPLACE FUNCTION subscribers_effect_of_older_versions() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN NEW.effect := {EFFECT.format(**{one: f'NEW.{one}' for one in COLUMNS})}; RETURN NEW; END $$
"""
POSTGRESQL = f"""
    CREATE TRIGGER effect_of_older_versions BEFORE INSERT ON subscribers_consent FOR EACH ROW WHEN ({TELLING})
    EXECUTE FUNCTION subscribers_effect_of_older_versions()
"""


def understand_older_versions(apps, schema_editor):
    """Let the database add the effect to what an older version writes."""
    with schema_editor.connection.cursor() as cursor:
        for statement in (FUNCTION, POSTGRESQL) if schema_editor.connection.vendor == "postgresql" else (SQLITE,):
            cursor.execute(statement)


def stop(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        if schema_editor.connection.vendor == "postgresql":
            cursor.execute("DROP FUNCTION IF EXISTS subscribers_effect_of_older_versions() CASCADE")
        else:
            cursor.execute("DROP TRIGGER IF EXISTS effect_of_older_versions")


class Migration(migrations.Migration):
    """What a step led to, for rules."""

    dependencies = [("subscribers", "0014_queue_of_confirmations")]

    operations = [
        migrations.AddField(
            model_name="consent",
            name="effect",
            field=models.CharField(
                blank=True,
                choices=[
                    ("no mail", "No Mail"),
                    ("suppressed", "Suppressed"),
                    ("lifted", "Lifted"),
                    ("moved", "Moved"),
                ],
                max_length=12,
                null=True,
            ),
        ),
        migrations.RunPython(understand_older_versions, stop),
    ]
