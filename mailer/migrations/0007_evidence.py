import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mailer", "0006_hard_and_policy_bounces")]

    operations = [
        migrations.AddField(
            model_name="installation",
            name="events_refused_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.CreateModel(
            name="WebhookKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("fingerprint", models.CharField(max_length=16)),
                ("verified_at", models.DateTimeField()),
                ("heard_again_at", models.DateTimeField(null=True)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="webhook_keys",
                        to="mailer.provideraccount",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("fingerprint", "account"), name="one_webhook_key"),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(condition=models.Q(("attempt__isnull", False)), fields=["at"], name="event_heard"),
        ),
    ]
