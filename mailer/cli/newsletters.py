"""`mailer newsletters`: rename one with everything that it has."""

import click

from mailer.cli.operators import audit
from mailer.cli.terminal import confirm, counted, start


@click.group()
def newsletters() -> None:
    """Rename a newsletter."""


@newsletters.command()
@click.argument("old")
@click.argument("new")
@click.option("--yes", is_flag=True, help="Do not ask.")
def rename(old: str, new: str, yes: bool) -> None:
    """Give the subscribers, consents, sends and archive of OLD the label NEW.

    Rename its table in newsletter.toml first, and keep its list_id. Restart `mailer serve` and workers afterwards.
    Links in emails that were sent before keep working. Run it again if people signed up under OLD meanwhile.
    """
    start()
    from mailer.publishing import labels

    labels.require_renamable(old, new)
    (found,) = [orphan for orphan in labels.orphans() if orphan.label == old] or [labels.Orphan(old, 0, 0)]
    confirm(f"Rename {found} to {new}{_joining(labels.subscriptions_of(new))}?", yes)
    renamed = labels.rename(old, new, audit)
    carried = renamed.carried
    imported = f", and {counted(renamed.imported, 'imported issue')}" if renamed.imported else ""
    click.echo(
        f"{old} is {new} now: {carried.subscriptions:,} subscriptions, {carried.consents:,} steps of consent and "
        f"{renamed.sends:,} sends{imported}. Restart `mailer serve` and workers with the new newsletter.toml."
    )


def _joining(there: int) -> str:
    if not there:
        return ""
    return (
        f", which already has {counted(there, 'subscription')}; of two of the same subscriber, only the one that mails "
        "less is kept (unsubscribed, pending, active)"
    )
