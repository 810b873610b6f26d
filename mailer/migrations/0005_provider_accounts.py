import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models
from django.db.models import Max


def make_accounts(apps, schema_editor):
    """An account for each host that a send was planned for; the sends belong to it.

    Their keys are not known from before. The one of the process that upgrades, where it has one, is the account's;
    else the first that comes (mailer.store.accounts).
    """
    Send = apps.get_model("mailer", "Send")
    ProviderAccount = apps.get_model("mailer", "ProviderAccount")
    hosts = Send.objects.order_by().values("provider").annotate(newest=Max("id")).order_by("-newest")
    real = 0
    for host in hosts.values_list("provider", flat=True):
        name = "rehearsal" if host == "rehearsal" else "main" if not real else host[:60]
        real += host != "rehearsal"
        account = ProviderAccount.objects.create(name=name, host=host)
        Send.objects.filter(provider=host).update(account=account)
        _adopt_key_of_this_process(apps, account)


def _adopt_key_of_this_process(apps, account):
    from django.conf import settings

    from mailer.store.accounts import fingerprint_of

    if account.host == settings.PROVIDER:
        apps.get_model("mailer", "AccountKey").objects.create(
            account=account, host=account.host, fingerprint=fingerprint_of(settings.SENDGRID_API_KEY)
        )


def fill_list_ids(apps, schema_editor):
    """`"The Weekly" <weekly.example.com>` → `weekly.example.com`."""
    Send = apps.get_model("mailer", "Send")
    for pk, headers in Send.objects.values_list("pk", "headers").iterator():
        list_id = str(headers.get("List-ID", "")).rpartition("<")[2].rstrip("> ")
        Send.objects.filter(pk=pk).update(list_id=list_id)


class Migration(migrations.Migration):
    dependencies = [("mailer", "0004_processes")]

    operations = [
        migrations.CreateModel(
            name="ProviderAccount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=64, unique=True)),
                ("host", models.CharField(max_length=255)),
                ("swept_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="AccountKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("host", models.CharField(max_length=255)),
                ("fingerprint", models.CharField(max_length=16)),
                ("adopted_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="keys", to="mailer.provideraccount"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("host", "fingerprint"), name="key_of_one_account"),
                ],
            },
        ),
        # The table stays for workers of the version before; see the model.
        migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel("Gate")]),
        migrations.CreateModel(
            name="Gate",
            fields=[
                (
                    "account",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        serialize=False,
                        to="mailer.provideraccount",
                    ),
                ),
                ("closed_until", models.DateTimeField(null=True)),
                ("reason", models.TextField(blank=True, default="")),
                ("streak", models.PositiveIntegerField(default=0)),
                ("trial_until", models.DateTimeField(null=True)),
            ],
            options={"db_table": "mailer_circuit_breaker"},
        ),
        migrations.AddField(
            model_name="send",
            name="account",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="sends",
                to="mailer.provideraccount",
            ),
        ),
        migrations.AddField(
            model_name="send",
            name="list_id",
            field=models.TextField(blank=True, db_default="", default=""),
        ),
        migrations.RunPython(make_accounts, migrations.RunPython.noop),
        migrations.RunPython(fill_list_ids, migrations.RunPython.noop),
    ]
