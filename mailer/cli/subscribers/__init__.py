"""`mailer subscribers`: who is subscribed, and how they came and left."""

import click

from mailer.cli.subscribers.adding import add
from mailer.cli.subscribers.files import export, import_
from mailer.cli.subscribers.leaving import forget, suppress, unsubscribe
from mailer.cli.subscribers.looking import list_
from mailer.cli.subscribers.showing import show


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def subscribers() -> None:
    """Add, import, list, show, unsubscribe, erase and export subscribers."""


for command in (add, import_, list_, show, unsubscribe, suppress, forget, export):
    subscribers.add_command(command)
