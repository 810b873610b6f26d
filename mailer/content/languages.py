"""What a language's code says: how HTML writes it, which way it reads, and in which of ours its frame speaks."""

RIGHT_TO_LEFT = ("ar", "fa", "he", "ur", "yi")


def language_of_chrome(language: str) -> str:
    """The language that the words around the content are in: ours are English and Simplified Chinese."""
    traditional = ("zh-hant", "zh-tw", "zh-hk", "zh-mo")
    return "zh-hans" if language.split("-")[0] == "zh" and not language.startswith(traditional) else "en"


def language_tag(language: str) -> str:
    """As HTML writes it: zh-Hans, pt-BR."""
    first, *rest = language.split("-")
    return "-".join([first, *(part.title() if len(part) == 4 else part.upper() for part in rest)])


def direction(language: str) -> str:
    """ "rtl" or "ltr", as HTML's `dir`."""
    return "rtl" if language.split("-")[0] in RIGHT_TO_LEFT else "ltr"
