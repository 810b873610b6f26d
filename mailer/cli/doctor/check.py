"""One check of the doctor: what it found, or what went wrong."""

from collections.abc import Callable

from mailer.cli.terminal import Problem, explain
from mailer.config.patience import NoAnswer, patiently
from mailer.providers.protocol import Check


def guarded(name: str, look: Callable[[], Check], silence: str = "error") -> Check:
    """Return what `look` finds, or the error that it meets. `silence` is the state if there is no answer."""
    try:
        with patiently():
            return look()
    except NoAnswer as why:
        return Check(name, silence, str(why))
    except Exception as error:
        problem: Problem | None = explain(error)
        if problem is None:
            raise
        return Check(name, "error", problem.message)
