"""Keep issues that were published elsewhere, their former addresses, and which pages were removed."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add three tables of the archive, none of which the ledger refers to."""

    dependencies = [("mailer", "0019_page_images")]

    operations = [
        migrations.CreateModel(
            "ArchivedIssue",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("newsletter", models.CharField(max_length=64)),
                ("slug", models.CharField(max_length=200)),
                ("subject", models.TextField()),
                ("preheader", models.TextField(blank=True)),
                ("language", models.TextField()),
                ("day", models.DateField()),
                ("number", models.TextField(blank=True)),
                ("article", models.TextField()),
                ("published_at", models.DateTimeField()),
                ("source_sha256", models.CharField(max_length=64)),
                ("content_sha256", models.CharField(max_length=64)),
                ("imported_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [models.Index(fields=["newsletter", "published_at"], name="archived_by_date")],
                "constraints": [models.UniqueConstraint(fields=["newsletter", "slug"], name="one_archived_issue")],
            },
        ),
        migrations.CreateModel(
            "Alias",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("newsletter", models.CharField(max_length=64)),
                ("name", models.CharField(max_length=500)),
                ("slug", models.CharField(max_length=200)),
            ],
            options={
                "indexes": [models.Index(fields=["name"], name="alias_name")],
                "constraints": [models.UniqueConstraint(fields=["newsletter", "name"], name="one_alias")],
            },
        ),
        migrations.CreateModel(
            "RemovedPage",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("newsletter", models.CharField(max_length=64)),
                ("slug", models.CharField(max_length=200)),
                ("removed_at", models.DateTimeField()),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=["newsletter", "slug"], name="one_removal")],
            },
        ),
    ]
