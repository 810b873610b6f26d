from django.db import migrations, models


class Migration(migrations.Migration):
    """How an erasure came about, so that the step can be shown although the reader's history is gone."""

    dependencies = [("subscribers", "0005_one_index_of_readers_each")]

    operations = [
        migrations.AddField(
            "suppression", "erased_how", models.CharField(blank=True, db_default="", default="", max_length=32)
        ),
    ]
