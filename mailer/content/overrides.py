"""Let editors' own templates replace ours, and say in a sentence what is wrong with one of them."""

from pathlib import Path

from django.template import TemplateDoesNotExist, TemplateSyntaxError


def fault_in(error: Exception, own: Path) -> str | None:
    """Say what is wrong with which template, and what to do; return None if no template caused the error.

    `own` is the folder of the editor's templates: whatever goes wrong inside it is theirs to fix.
    """
    if isinstance(error, OSError):
        return _unreadable(Path(str(error.filename)), (error.strerror or "").lower(), own)
    if isinstance(error, UnicodeDecodeError):
        return _unreadable(_file_of(error.object, own), "it is not UTF-8", own)
    if not own.is_dir():
        return None
    # Django notes the place if a template engine's options ask for "debug".
    place = getattr(error, "template_debug", None) or {}
    file = Path(place.get("name", ""))
    if not isinstance(error, TemplateSyntaxError | TemplateDoesNotExist) and not file.is_relative_to(own):
        return None
    what = f"there is no template {error}" if isinstance(error, TemplateDoesNotExist) else f"{error}".rstrip(".")
    return f"{file}:{place['line']} {what}; {_FIX}" if place else f"{what}; {_FIX}"


_FIX = "fix the template, or delete your file to use the default again"


def _unreadable(file: Path | None, why: str, own: Path) -> str | None:
    return f"{file} cannot be read ({why}); {_FIX}" if file and file.is_relative_to(own) else None


def _file_of(content: bytes, own: Path) -> Path | None:
    """Find the template with these bytes: Python says which bytes are not text, but not in which file."""
    files = (path for path in own.rglob("*") if path.is_file())
    return next((path for path in files if path.read_bytes() == content), None)
