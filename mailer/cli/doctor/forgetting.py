"""`mailer doctor --forget-missing`: an operator says that killed web processes will never come back."""

import json

import click

from mailer.store import clock, journals


def forget(as_json: bool) -> None:
    """Stop every alarm about them, and print what was forgotten."""
    gone = [journals.where(row) for row in journals.forget_missing(clock.now())]
    if as_json:
        click.echo(json.dumps({"forgotten": gone}))
    elif gone:
        click.echo(
            f"Forgotten: {', '.join(gone)}. People who unsubscribed there while the database was unavailable stay "
            "subscribed."
        )
    else:
        click.echo("No web process is missing.")
