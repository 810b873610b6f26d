import hashlib

from django.db import migrations, models
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone


def give_each_key_a_row(apps, schema_editor):
    """The oldest made the hashes of suppressed addresses until now: it is kept as the key that always will.

    When they were made is not known, but all databases got their first key from the first migration.
    """
    Installation = apps.get_model("mailer", "Installation")
    LinkKey = apps.get_model("mailer", "LinkKey")
    first = MigrationRecorder.Migration.objects.using(schema_editor.connection.alias).filter(
        app="mailer", name="0001_ledger"
    )
    made = first.values_list("applied", flat=True).first() or timezone.now()
    for installation in Installation.objects.all():
        Installation.objects.filter(pk=installation.pk).update(suppression_key=installation.link_keys[0])
        for key in installation.link_keys:
            fingerprint = hashlib.sha256(bytes.fromhex(key)).hexdigest()[:16]
            LinkKey.objects.create(key=key, fingerprint=fingerprint, created_at=made, signs_from=made)


class Migration(migrations.Migration):
    dependencies = [("mailer", "0009_released_bounces")]

    operations = [
        migrations.AddField(
            model_name="installation",
            name="suppression_key",
            field=models.CharField(db_default="", max_length=64),
        ),
        migrations.CreateModel(
            name="LinkKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=64, null=True)),
                ("fingerprint", models.CharField(max_length=16, unique=True)),
                ("created_at", models.DateTimeField()),
                ("signs_from", models.DateTimeField()),
                ("retired_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.RunPython(give_each_key_a_row, migrations.RunPython.noop),
    ]
