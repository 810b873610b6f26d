from django.db import migrations, models


class Migration(migrations.Migration):
    """Name models and fields in the field's words. Tables and columns keep their names, so nothing changes in them."""

    dependencies = [("mailer", "0010_link_keys")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameModel("Gate", "CircuitBreaker"),
                migrations.AlterField(
                    "circuitbreaker", "closed_until", models.DateTimeField(null=True, db_column="closed_until")
                ),
                migrations.RenameField("circuitbreaker", "closed_until", "open_until"),
                migrations.AlterField("attempt", "owner", models.UUIDField(db_column="owner")),
                migrations.RenameField("attempt", "owner", "worker"),
            ],
        ),
    ]
