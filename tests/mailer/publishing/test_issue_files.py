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


def test_a_link_out_of_the_folder_or_to_another_kind_of_file_is_told_from_an_issue(tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "2019.md").write_text("x")
    (tmp_path / "private.md").write_text("x")
    (tmp_path / "old" / ".env").write_text("x")
    for name, target in {"a.md": "2019.md", "b.md": "../private.md", "c.md": ".env"}.items():
        (tmp_path / "old" / name).symlink_to(target)
    expected = {"2019.md": None, "b.md": tmp_path / "private.md", "c.md": tmp_path / "old" / ".env"}
    in_folder = {one.path.name: one.leads_to for one in find_files([tmp_path / "old"])}
    named = {one.path.name: one.leads_to for one in find_files(sorted((tmp_path / "old").glob("*.md")))}
    assert in_folder == named == expected
