"""Columns for what rules read from the notes of suppressions until now.

Processes of an older version, which run on during an upgrade, write the note alone, also over one of this version. So a
trigger derives the columns wherever the note changes and they do not; this version always writes all three. The next
version may drop it. Old rows are filled by the next migration, apart, as in 0016.
"""

from django.db import migrations, models

RULE = """
    CASE WHEN {reason} = 'bounce' AND {note} = 'hard bounce' THEN 'hard bounce'
        WHEN {reason} = 'bounce' AND {note} = 'three soft bounces' THEN 'soft bounces' END
"""
LABELS = {
    "sqlite": """'["' || replace(substr({note}, 7), ', ', '", "') || '"]'""",
    "postgresql": "to_jsonb(string_to_array(substr({note}, 7), ', '))",
}
NEW = {"reason": "NEW.reason", "note": "NEW.note"}


def left(vendor, **names):
    """Return the expression of `newsletters_left`: only a suppression by `erased` keeps such a note."""
    labels = LABELS[vendor]
    return f"CASE WHEN {{reason}} = 'erased' AND {{note}} LIKE 'left: %' THEN {labels} END".format(**names)


_SET = f"""
    BEGIN UPDATE subscribers_suppression SET rule = {RULE.format(**NEW)}, newsletters_left = {left("sqlite", **NEW)}
        WHERE hash = NEW.hash; END
"""
_UNTOLD = "NEW.rule IS NULL AND NEW.newsletters_left IS NULL AND NEW.note <> ''"
SQLITE = (
    f"CREATE TRIGGER rule_of_older_versions AFTER INSERT ON subscribers_suppression WHEN {_UNTOLD} {_SET}",
    "CREATE TRIGGER rule_changed_by_older_versions AFTER UPDATE OF note ON subscribers_suppression"
    " WHEN NEW.note <> OLD.note AND NEW.rule IS OLD.rule AND NEW.newsletters_left IS OLD.newsletters_left" + _SET,
)
POSTGRESQL = (
    f"""
    CREATE OR REPLACE FUNCTION subscribers_rule_of_older_versions() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.rule := {RULE.format(**NEW)};
        NEW.newsletters_left := {left("postgresql", **NEW)};
        RETURN NEW;
    END $$
    """,
    f"""
    CREATE TRIGGER rule_of_older_versions BEFORE INSERT ON subscribers_suppression FOR EACH ROW WHEN ({_UNTOLD})
    EXECUTE FUNCTION subscribers_rule_of_older_versions()
    """,
    """
    CREATE TRIGGER rule_changed_by_older_versions BEFORE UPDATE OF note ON subscribers_suppression FOR EACH ROW WHEN (
        NEW.note <> OLD.note AND NEW.rule IS NOT DISTINCT FROM OLD.rule
        AND NEW.newsletters_left IS NOT DISTINCT FROM OLD.newsletters_left
    ) EXECUTE FUNCTION subscribers_rule_of_older_versions()
    """,
)


def understand_older_versions(apps, schema_editor):
    """Let the database add the columns to what an older version writes."""
    with schema_editor.connection.cursor() as cursor:
        for statement in POSTGRESQL if schema_editor.connection.vendor == "postgresql" else SQLITE:
            cursor.execute(statement)


def stop(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        if schema_editor.connection.vendor == "postgresql":
            cursor.execute("DROP FUNCTION IF EXISTS subscribers_rule_of_older_versions() CASCADE")
        else:
            cursor.execute("DROP TRIGGER IF EXISTS rule_of_older_versions")
            cursor.execute("DROP TRIGGER IF EXISTS rule_changed_by_older_versions")


class Migration(migrations.Migration):
    """Which rule made a suppression, and which newsletters an unknown address left."""

    dependencies = [("subscribers", "0016_effects_of_steps_before")]

    operations = [
        migrations.AddField(
            "suppression",
            "rule",
            models.CharField(
                blank=True,
                choices=[("hard bounce", "Hard Bounce"), ("soft bounces", "Soft Bounces")],
                max_length=16,
                null=True,
            ),
        ),
        migrations.AddField("suppression", "newsletters_left", models.JSONField(blank=True, null=True)),
        migrations.RunPython(understand_older_versions, stop),
    ]
