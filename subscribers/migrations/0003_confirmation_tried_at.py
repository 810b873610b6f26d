from django.db import migrations, models


class Migration(migrations.Migration):
    """When a confirmation was last tried, so that no retry follows a mail within ten minutes."""

    dependencies = [("subscribers", "0002_claims_and_erasure")]

    operations = [
        migrations.AddField("subscription", "confirmation_tried_at", models.DateTimeField(blank=True, null=True)),
    ]
