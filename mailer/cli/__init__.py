"""The terminal. Commands import what they need when they run, so that `mailer --help` is instant."""

import atexit
import gc
import importlib
import sys
from difflib import get_close_matches

import click

from mailer.cli.terminal import Exit, Problem, explain, name_stdout, write_no_more

# name → (module, the line that `mailer --help` shows); the command is the function of that name in the module.
COMMANDS = {
    "init": ("starting", "Start a newsletter: newsletter.toml, a first issue, .gitignore, .env.example."),
    "demo": ("starting", "Rehearse a whole send to invented subscribers; no email goes out."),
    "check": ("checking", "Check an issue for mistakes before you send it."),
    "preview": ("previewing", "Preview an issue in the browser; the page reloads when you save."),
    "render": ("rendering", "Render an issue to HTML, text and image files."),
    "images": ("images", "Fetch the copies of remote images again, or remove unused ones."),
    "send": ("sending", "Send an issue to its subscribers."),
    "status": ("status", "Show sends and who received them."),
    "pause": ("steering", "Pause a send; no further request starts."),
    "resume": ("steering", "Resume a paused send."),
    "cancel": ("steering", "Cancel a send for the subscribers still waiting."),
    "reconcile": ("reconciling", "Show and settle requests that got no answer."),
    "subscribers": ("subscribers", "Add, import, list, show, unsubscribe, erase and export subscribers."),
    "newsletters": ("newsletters", "Rename a newsletter with its subscribers, consents, sends and archive."),
    "audit": ("auditing", "Show who looked at, exported, suppressed or erased subscribers."),
    "archive": ("archiving", "List, import, correct and remove issues on the web, or build a static site."),
    "serve": ("serving", "Run the web process: subscribe and unsubscribe pages, webhook, archive."),
    "worker": ("serving", "Run a worker that sends issues."),
    "backup": ("backup", "Back up the database to a file or stdout."),
    "keys": ("keys", "List, rotate and retire the keys that sign subscribers' links."),
    "doctor": ("doctor", "Check settings, database, broker, key, sender, webhook and address."),
    "version": ("version", "Print the versions of mailer, Python and the database."),
    "manage": ("serving", "Run one of Django's own commands, such as migrate."),
}


class Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"mailer.cli.{COMMANDS[name][0]}")
        command: click.Command = getattr(module, name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command. Click suggests one only from commands that are loaded, and these load when they run."""
        name = args[0]
        if name not in COMMANDS and name[:1].isalnum() and not ctx.resilient_parsing:
            near = get_close_matches(name, COMMANDS, 1)
            ctx.fail(f"No such command {name!r}.{f' Did you mean {near[0]!r}?' if near else ''}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command. A closed pipe on stdout ends it quietly, and is not a failure."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            write_no_more()
            return Exit.DONE
        return result

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="markdown-mailer", prog_name="mailer")
def cli() -> None:
    """Send newsletters that are written in Markdown and kept in git.

    Without a provider's key everything is a rehearsal: no email goes out.
    """


def main() -> None:
    """Run one command. Whatever a user, a provider or a network can cause ends in a sentence, never in a traceback."""
    # Imports and requests make many objects that are not garbage. Looking through them at every 700th, as Python does
    # by default, took a tenth of a start and a fifth of a send.
    gc.set_threshold(50_000)
    atexit.register(gc.freeze)  # else Python looks through all of them a last time before it ends: 4 % of a `check`
    name_stdout()
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.Abort:
        click.echo("Stopped.", err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except Exception as error:
        problem: Problem | None = explain(error)
        if problem is None:
            raise
        if isinstance(error, OSError):
            write_no_more()
        problem.show()
        sys.exit(problem.exit_code)
