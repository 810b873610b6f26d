"""The same email to the same subscribers, as one would send it without mailer.

python -m benchmarks.others helpers|unsigned|anymail URL COUNT ISSUE.json DATABASE
"""

import json
import sys
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from benchmarks.audience import readers

if TYPE_CHECKING:
    from subscribers import tokens

SIZE = 1000
KEY = b"k" * 32
SENDGRID_KEY = "SG.benchmark.key"
SAME = "http://127.0.0.1:8000/unsubscribe/"  # a link that must ask who you are


def link(public_id: UUID, newsletter: str) -> str:
    """Every way signs its links, and hashes what they share once, as we do."""
    return f"http://127.0.0.1:8000/unsubscribe/{_signer(newsletter).token(public_id.bytes)}/"


@cache
def _signer(newsletter: str) -> "tokens.Signer":
    from subscribers import tokens

    return tokens.Signer(tokens.UNSUBSCRIBE, newsletter, KEY)


def helpers(url: str, count: int, issue: dict[str, Any], _: Path, *, signed: bool = True) -> None:
    """Send by the `sendgrid` package as its documentation shows it: helpers.mail, no ledger."""
    import sendgrid
    from sendgrid.helpers.mail import From, Header, Mail, Personalization, Substitution, To

    client = sendgrid.SendGridAPIClient(api_key=SENDGRID_KEY, host=url)
    everybody = readers(count)
    while batch := list(islice(everybody, SIZE)):
        mail = Mail(
            from_email=From(issue["from_email"], issue["from_name"]),
            subject=issue["subject"],
            plain_text_content=issue["text"],
            html_content=issue["html"],
        )
        for name, value in issue["headers"].items():
            mail.add_header(Header(name, value))
        for one in batch:
            person = Personalization()
            person.add_to(To(one.email, one.name or None))
            address = link(one.public_id, issue["newsletter"]) if signed else SAME
            person.add_substitution(Substitution(issue["placeholder"], address))
            person.add_header(Header("List-Unsubscribe", f"<{address}>"))
            mail.add_personalization(person)
        client.send(mail)


def anymail(url: str, count: int, issue: dict[str, Any], database: Path) -> None:
    """Send by django-anymail with merge data. Subscribers come from the database, and each has a row in the ledger.

    The ledger is as cheap as the ORM has it: bulk_create before the request, one UPDATE after it.
    """
    subscriber, row = _models(url, database)
    from django.core.mail import EmailMultiAlternatives, get_connection
    from django.utils import timezone

    connection = get_connection()
    connection.open()
    everybody = subscriber.objects.order_by("pk").iterator(SIZE)
    while batch := list(islice(everybody, SIZE)):
        links = {one.email: link(one.public_id, issue["newsletter"]) for one in batch}
        made = row.objects.bulk_create(row(subscriber=one) for one in batch)
        message = EmailMultiAlternatives(
            subject=issue["subject"],
            body=issue["text"],
            from_email=f"{issue['from_name']} <{issue['from_email']}>",
            to=[f"{one.name} <{one.email}>" if one.name else one.email for one in batch],
            headers=issue["headers"],
            connection=connection,
        )
        message.attach_alternative(issue["html"], "text/html")
        message.merge_data = {email: {issue["placeholder"]: url} for email, url in links.items()}
        message.merge_headers = {email: {"List-Unsubscribe": f"<{url}>"} for email, url in links.items()}
        message.merge_metadata = {one.subscriber.email: {"delivery": str(one.pk)} for one in made}
        message.send()
        state = next(iter(message.anymail_status.status))
        row.objects.filter(pk__in=[one.pk for one in made]).update(state=state, sent_at=timezone.now())


def _models(url: str, database: Path) -> tuple[Any, Any]:
    """Return our table of subscribers, and a new one with a row a recipient, in a database set up as ours is."""
    import django
    from django.conf import settings
    from django.db import connection, models

    pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-64000;"
    options = {"transaction_mode": "IMMEDIATE", "init_command": pragmas}
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": database, "OPTIONS": options}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=["anymail"],
        EMAIL_BACKEND="anymail.backends.sendgrid.EmailBackend",
        ANYMAIL={
            "SENDGRID_API_KEY": SENDGRID_KEY,
            "SENDGRID_API_URL": f"{url}/v3/",
            "SENDGRID_MERGE_FIELD_FORMAT": "{}",
        },
        USE_TZ=True,
    )
    django.setup()

    class Subscriber(models.Model):
        public_id = models.UUIDField()
        email = models.CharField(max_length=320)
        name = models.CharField(max_length=200, blank=True)

        class Meta:
            app_label = "benchmark"
            db_table = "subscribers_subscriber"

    class Recipient(models.Model):
        subscriber = models.ForeignKey(Subscriber, models.CASCADE)
        state = models.CharField(max_length=12, default="planned")
        sent_at = models.DateTimeField(null=True)

        class Meta:
            app_label = "benchmark"

    with connection.schema_editor() as editor:
        editor.create_model(Recipient)
    return Subscriber, Recipient


WAYS = {"helpers": helpers, "unsigned": partial(helpers, signed=False), "anymail": anymail}

if __name__ == "__main__":
    way, url, count, issue, database = sys.argv[1:]
    WAYS[way](url, int(count), json.loads(Path(issue).read_text(encoding="utf-8")), Path(database))
