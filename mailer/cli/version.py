"""`mailer version`: what a bug report must name."""

import platform
from importlib.metadata import version as version_of

import click


@click.command()
def version() -> None:
    """Print the versions of mailer, Python and the database library."""
    click.echo(f"mailer {version_of('markdown-mailer')}")
    click.echo(f"Python {platform.python_version()} on {platform.system()}")
    click.echo(f"database {_database()}")


def _database() -> str:
    from mailer.config.environment import read

    if read("DATABASE_URL").startswith(("postgres", "pgsql")):
        return f"PostgreSQL, through psycopg {version_of('psycopg')}"
    import sqlite3

    return f"SQLite {sqlite3.sqlite_version}"
