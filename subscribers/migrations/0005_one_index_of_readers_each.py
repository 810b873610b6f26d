import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Each of these tables has another index that begins with the reader; two made imports slower and files larger."""

    dependencies = [("subscribers", "0004_letters")]

    operations = [
        migrations.AlterField(
            "subscription",
            "subscriber",
            models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="subscriptions",
                to="subscribers.subscriber",
            ),
        ),
        migrations.AlterField(
            "consent",
            "subscriber",
            models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="consents",
                to="subscribers.subscriber",
            ),
        ),
    ]
