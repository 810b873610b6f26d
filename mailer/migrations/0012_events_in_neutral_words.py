from django.db import migrations
from django.db.models import Case, Value, When

# The kinds that the first provider's own words stood for until now. The others are called alike.
NEUTRAL = {
    "bounce": "bounced",
    "spamreport": "complained",
    "unsubscribe": "unsubscribed",
    "group_unsubscribe": "unsubscribed",
    "group_resubscribe": "resubscribed",
    "open": "opened",
    "click": "clicked",
}
BACK = {
    "bounced": "bounce",
    "complained": "spamreport",
    "unsubscribed": "unsubscribe",
    "resubscribed": "group_resubscribe",
    "opened": "open",
    "clicked": "click",
}
AT_ONCE = 20_000  # ids: no lock lasts longer than a part of a second


def rewrite(words, **which):
    """Rewrite the kinds in steps that are committed one by one, so that events may be stored and applied meanwhile.

    Forward only those that are applied: a web process of the version before would take a neutral word for nothing, and
    the bounce or complaint that it is about to apply would be lost. The old words are understood, see `Events.kind`.
    Stopped in the middle and run again it ends alike.
    """

    def run(apps, schema_editor):
        Event = apps.get_model("mailer", "Event")
        events = Event.objects.using(schema_editor.connection.alias)
        ids = events.order_by("pk").values_list("pk", flat=True)
        first, last = ids.first(), ids.last()
        if first is None:
            return
        new = Case(*(When(kind=old, then=Value(word)) for old, word in words.items()))
        for start in range(first, last + 1, AT_ONCE):
            events.filter(pk__range=(start, start + AT_ONCE - 1), kind__in=words, **which).update(kind=new)

    return run


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("mailer", "0011_words_of_the_field")]

    operations = [migrations.RunPython(rewrite(NEUTRAL, applied_at__isnull=False), rewrite(BACK))]
