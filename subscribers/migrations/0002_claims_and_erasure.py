from django.db import migrations, models


class Migration(migrations.Migration):
    """What files claim of consent, and when a reader was erased."""

    dependencies = [("subscribers", "0001_readers_and_consent")]

    operations = [
        migrations.AddField("consent", "claimed", models.JSONField(blank=True, null=True)),
        migrations.AddField("suppression", "erased_at", models.DateTimeField(blank=True, null=True)),
    ]
