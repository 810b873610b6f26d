"""The archive can be searched.

The terms of an issue are in a table that SQLite's FTS5 keeps, or in a column with an index on PostgreSQL; Django knows
of neither. Nothing is indexed here: a worker does that, issue by issue.
"""

from django.db import migrations, models

# Terms are divided and folded by mailer.archive.terms; unicode61 divides them again at what is no letter, digit or
# mark, so never. Terms alone, without their text, are found, not shown.
FTS5 = """
    CREATE VIRTUAL TABLE mailer_issueterms
    USING fts5(terms, tokenize = "unicode61 remove_diacritics 0 categories 'L* M* N* Co'")
"""
COLUMN = "ALTER TABLE mailer_indexedissue ADD COLUMN terms tsvector"
INDEX = "CREATE INDEX mailer_indexedissue_terms ON mailer_indexedissue USING gin (terms)"


def add_terms(apps, schema_editor):
    for statement in [COLUMN, INDEX] if schema_editor.connection.vendor == "postgresql" else [FTS5]:
        schema_editor.execute(statement)


def drop_terms(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute("DROP TABLE mailer_issueterms")


class Migration(migrations.Migration):
    """Index issues for search."""

    dependencies = [("mailer", "0017_planning_in_ranges")]

    operations = [
        migrations.CreateModel(
            "IndexedIssue",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("newsletter", models.CharField(max_length=64)),
                ("slug", models.CharField(max_length=200)),
                ("version", models.PositiveSmallIntegerField()),
                ("updated", models.DateTimeField()),
                ("dated", models.DateField()),
                ("language", models.TextField(blank=True)),
                ("title", models.TextField()),
                ("preheader", models.TextField(blank=True)),
                ("text", models.TextField()),
                ("opening", models.TextField(blank=True)),
                ("excerpt", models.TextField(blank=True)),
                ("images", models.JSONField(default=list)),
                ("image", models.TextField(blank=True)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=["newsletter", "slug"], name="indexed_once")],
            },
        ),
        migrations.RunPython(add_terms, drop_terms),
    ]
