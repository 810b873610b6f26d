"""Which files of a folder may be issues."""

from mailer.publishing.issue_files import find_files


def test_folders_are_read_to_their_depth_and_each_file_once(tmp_path):
    for name in (
        "2019-06-29.md",
        "posts/2019-07-06/index.markdown",
        "_posts/2019-07-13-title.MD",
        "posts/_index.md",
        "posts/board.png",
        ".git/2019.md",
        "node_modules/x/README.md",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    named = tmp_path / "2019-06-29.md"
    found = [(one.path.relative_to(tmp_path).as_posix(), one.is_named) for one in find_files([named, tmp_path])]
    assert found == [
        ("2019-06-29.md", True),
        ("_posts/2019-07-13-title.MD", False),
        ("posts/2019-07-06/index.markdown", False),
    ]
