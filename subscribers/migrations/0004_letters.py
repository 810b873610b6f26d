import uuid

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    """Mails with a link that readers ask for on a page."""

    dependencies = [("subscribers", "0003_confirmation_tried_at")]

    operations = [
        migrations.CreateModel(
            name="Letter",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("newsletter", models.CharField(max_length=64)),
                ("purpose", models.CharField(choices=[("data", "Data"), ("address", "Address")], max_length=12)),
                ("email", models.CharField(max_length=320)),
                ("email_key", models.CharField(max_length=320)),
                ("asked_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("due", models.DateTimeField(blank=True, null=True)),
                ("tries", models.PositiveSmallIntegerField(default=0)),
                (
                    "subscriber",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="letters",
                        to="subscribers.subscriber",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["email_key", "asked_at"], name="letter_by_address"),
                    models.Index(condition=models.Q(("due__isnull", False)), fields=["due"], name="letter_due"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("purpose__in", ["data", "address"])), name="letter_purpose_known"
                    )
                ],
            },
        ),
    ]
