from hypothesis import given
from hypothesis import strategies as st

from mailer.content import frontmatter
from mailer.content.frontmatter import FrontMatterError

WORDS = ["title", "a", "é", "中文", "《题》", "：", "，", "(1)", "2019-06-29", "0x1F", "yes", "null", "1e3"]
MARKS = [*".,:#&*|>%@~=?!+-/\\'\"[{", "\u3000", " ", "  ", "\t", ": ", " #"]
VALUES = st.lists(st.sampled_from(WORDS + MARKS)).map("".join)
LINES = st.lists(
    st.builds(
        "{}{}{}".format, st.sampled_from(["title", "Layout", "k-1", "_x", "é", ""]), st.sampled_from([": ", ""]), VALUES
    ),
    max_size=4,
)


def read(lines, reader):
    try:
        return reader(lines)
    except FrontMatterError as error:
        return str(error), error.line


@given(LINES)
def test_plain_lines_mean_what_they_mean_in_yaml(lines):
    assert read(lines, frontmatter._yaml) == read(lines, frontmatter._any_yaml)


def test_what_most_issues_begin_with_needs_no_parser(monkeypatch):
    monkeypatch.setattr(frontmatter, "_any_yaml", None)
    read = frontmatter.read_front_matter(
        "---\nlayout: default\ntitle:  嵌入式AI简报 (2019-06-29) \n\ndate: 2019-06-29\n---\nText"
    )
    assert read.values == {"layout": "default", "title": "嵌入式AI简报 (2019-06-29)", "date": "2019-06-29"}
