from django.db import migrations, models


class Migration(migrations.Migration):
    """Call what a provider said of an attempt its detail. The column keeps its name, so nothing changes in it."""

    dependencies = [("mailer", "0013_refused_alone")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    "attempt", "words", models.TextField(blank=True, default="", db_column="words")
                ),
                migrations.RenameField("attempt", "words", "detail"),
            ],
        ),
    ]
