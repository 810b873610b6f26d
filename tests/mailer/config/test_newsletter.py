import re
from pathlib import Path

import pytest

from mailer.config.newsletter import Newsletter, NewsletterError, find_config, read_newsletters

GOOD = """# The Weekly
[newsletters.weekly]
name = "The Weekly"
from_email = "editor@news.example.com"
"""


@pytest.fixture
def written(tmp_path: Path):
    def write(text: str | bytes) -> Path:
        path = tmp_path / "newsletter.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_what_the_file_leaves_out_has_a_value(written):
    path = written(GOOD)

    weekly = read_newsletters(path)["weekly"]

    assert weekly == Newsletter(
        label="weekly",
        name="The Weekly",
        from_email="editor@news.example.com",
        from_name="The Weekly",
        list_id="weekly.news.example.com",
        folder=path.parent,
    )


def test_newsletters_keep_the_order_of_the_file(written):
    more = GOOD + '[newsletters.alpha]\nname = "Alpha"\nfrom_email = "a@news.example.com"\n'

    assert list(read_newsletters(written(more))) == ["weekly", "alpha"]


def test_the_nearest_file_above_is_found(written, tmp_path):
    path = written(GOOD)
    (tmp_path / "issues" / "old").mkdir(parents=True)

    assert find_config(tmp_path / "issues" / "old") == path.resolve()
    assert find_config(Path("/")) is None


def test_colours_addresses_and_languages_are_brought_into_one_form(written):
    text = GOOD + 'accent_color = "#0AF"\nsource_url = "https://git.example.com/a"\nlanguage = "zh_Hans"\n'

    weekly = read_newsletters(written(text))["weekly"]

    assert (weekly.accent_color, weekly.source_url, weekly.language) == (
        "#00aaff",
        "https://git.example.com/a/",
        "zh-hans",
    )


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("HTTPS://img.example.com/weekly", "https://img.example.com/weekly/"),
        ("http://127.0.0.1:8000/media/", "http://127.0.0.1:8000/media/"),
        ("", ""),
    ],
)
def test_the_address_of_images_is_that_of_a_folder(written, given, read):
    assert read_newsletters(written(f'{GOOD}media_url = "{given}"\n'))["weekly"].media_url == read


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('colour = "#fff"', "'colour' is not a newsletter setting"),
        ('accent_color = "blue"', "is not a colour"),
        ('accent_color = "#fff;background:red"', "is not a colour"),
        ('language = "Chinese!"', "is not a language code"),
        ('timezone = "Mars/Olympus"', "is not a time zone"),
        ('timezone = "Europe"', "is not a time zone"),
        ('source_url = "git.example.com"', "is not a web address"),
        ('reply_to = "The Editor <a@b.example>"', "is not an email address"),
        (r'from_name = "a\r\nBcc: b@example.com"', "more than one line"),
        ("max_per_hour = 0", "at least 1"),
        ("max_per_hour = true", "at least 1"),
        ("max_per_hour = 2147483648", "at most 2147483647"),
        ('source_url = "https://me:secret@git.example.com/"', "must not contain a user name"),
        ('logo = "https://me:secret@git.example.com/a.png"', "must not contain a user name"),
        ("postal_address = 3", "must be text"),
        ('list_id = "weekly"', "is not a list id"),
        ('media_url = "http://img.example.com/"', "must begin with https://"),
        ('media_url = "HTTP://img.example.com/"', "must begin with https://"),
        ('media_url = "https://me:secret@img.example.com/"', "must not contain a user name"),
        ('media_url = "img.example.com"', "is not a web address"),
        ("remote_images = true", 'remote_images = true must be "keep"'),
    ],
)
def test_a_bad_value_is_named_with_its_line(written, line, says):
    with pytest.raises(NewsletterError) as error:
        read_newsletters(written(GOOD + line + "\n"))

    assert says in str(error.value)
    assert "newsletter.toml:5 " in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GOOD.replace("weekly]", "archive]"), ":2 'archive' is reserved"),
        (GOOD.replace("weekly]", "Weekly]"), ":2 'Weekly' is used in addresses"),
        (GOOD.replace('name = "The Weekly"\n', ""), ":2 newsletter 'weekly' has no name"),
        ('[newsletter]\nname = "x"\n', ":1 'newsletter' does not belong here"),
        ('[newsletter.m]\nname = "x"\n', ":1 'newsletter' does not belong here; did you mean [newsletters.m]?"),
        ("", ":1 no newsletter is configured"),
        ("[newsletters.weekly]\nname = oops\n", ":2 this is not TOML"),
        (f"{GOOD}max_per_hour = {'9' * 5000}\n", ":5 a number is too long"),
        (f"{GOOD}max_per_hour = 0x{'f' * 9000}\n", ":5 a number is too long"),
        ('[newsletters.weekly]\nname = "caf\u00e9"\n'.encode("latin-1"), ":2 this line is not UTF-8"),
    ],
)
def test_an_invalid_newsletter_toml_says_where_and_why(written, text, says):
    with pytest.raises(NewsletterError) as error:
        read_newsletters(written(text))

    assert says in str(error.value)


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(NewsletterError, match="cannot be read"):
        read_newsletters(tmp_path / "newsletter.toml")


def test_rules_that_a_newsletter_ignores_are_a_list_or_one(written):
    several = read_newsletters(written(GOOD + 'ignore = ["alt-missing", "http"]\n'))["weekly"]
    one = read_newsletters(written(GOOD + 'ignore = "http"\n'))["weekly"]

    assert (several.ignore, one.ignore) == ({"alt-missing", "http"}, {"http"})


@pytest.mark.parametrize(
    ("ignore", "why"),
    [
        ('["alt-mising"]', "names 'alt-mising': unknown rule; did you mean alt-missing?"),
        ('["http", "size-limit"]', "names 'size-limit': this rule cannot be ignored."),
        ("[1]", "must be a list of rules"),
        ("true", "must be a list of rules"),
    ],
)
def test_a_rule_that_cannot_be_ignored_is_named_with_its_line(written, ignore, why):
    with pytest.raises(NewsletterError, match=f"newsletter.toml:5 ignore = .* {re.escape(why)}"):
        read_newsletters(written(GOOD + f"ignore = {ignore}\n"))
