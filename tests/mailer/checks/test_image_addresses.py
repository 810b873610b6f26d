from dataclasses import replace

import pytest

from mailer.checks import check


def of_addresses(findings, address):
    told = findings(f"![A board]({address})\n\n![A board]({address})")
    return [finding for finding in told if finding.rule not in ("image-remote", "client-support")]


@pytest.mark.parametrize(
    "address",
    [
        "https://s3.a.example/x.png?X-Amz-Signature=abc&X-Amz-Expires=300",
        "https://private-user-images.githubusercontent.com/1/x.png?jwt=abc",
        "https://cdn.discordapp.com/attachments/1/2/x.png?ex=1&is=2&hm=3",
        "https://media.licdn.com/dms/image/x?e=1735776000&t=abc",
        "https://lh7-rt.googleusercontent.com/docsz/abc?key=x",
        "https://a.cos.example/x.png?q-sign-algorithm=sha1&q-signature=b",
        "https://a.blob.example/x.png?se=2026-01-01&sig=abc",
    ],
)
def test_an_image_whose_address_expires_is_told(findings, address):
    (told,) = of_addresses(findings, address)
    assert (told.rule, told.severity, told.line) == ("image-expiring", "warning", 9)


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/ada/boards/blob/main/x.png",
        "https://gitlab.com/ada/boards/-/blob/main/x.png",
        "https://code.a.example/ada/boards/-/blob/main/x.png",
        "https://code.a.example/ada/boards/src/branch/main/x.png",
        "https://en.wikipedia.org/wiki/File:Board.png",
        "https://www.dropbox.com/s/abc/x.png?dl=0",
        "https://imgur.com/aBc12",
        "https://huggingface.co/ada/boards/blob/main/x.png",
        "https://www.youtube.com/watch?v=abc",
        "https://a.example/boards.html",
        "https://a.example/boards.pdf",
        "https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fa.example%2Fx.png",
    ],
)
def test_a_web_page_is_not_an_image(findings, address):
    (told,) = of_addresses(findings, address)
    assert (told.rule, told.severity) == ("image-page", "error")


def test_a_document_is_called_one(findings):
    (told,) = of_addresses(findings, "https://a.example/boards.PDF?page=1")
    assert "is a document, so the email" in told.message
    assert "link to it" in told.fix


def test_the_file_behind_a_page_of_github_is_named(findings):
    (told,) = of_addresses(findings, "https://github.com/ada/boards/blob/main/a/x.png")
    assert "https://raw.githubusercontent.com/ada/boards/main/a/x.png" in told.fix


@pytest.mark.parametrize(
    "address",
    [
        "https://localhost/x.png",
        "http://localhost:1313/x.png",
        "https://10.0.0.7/x.png",
        "https://https://a.example/x.png",
    ],
)
def test_an_image_that_no_subscriber_can_load_is_missing(findings, address):
    (told,) = of_addresses(findings, address)
    assert (told.rule, told.severity) == ("image-missing", "error")


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/ada/boards/blob/main/x.png?raw=true",
        "https://raw.githubusercontent.com/ada/boards/main/x.png",
        "https://i.imgur.com/aBc12.png",
        "https://a.example/x.png?w=300&v=2&policy=a",
        "https://firebasestorage.googleapis.com/v0/b/x?alt=media&token=abc",
        "https://www.dropbox.com/s/abc/x.png?raw=1",
        "https://huggingface.co/ada/boards/resolve/main/x.png",
        "https://lh3.googleusercontent.com/abc=w600",
        "https://image.thum.io/get/https://a.example/post.html",
        "https://image.thum.io/get/width/600/a.example/post.html",
        "https://s.wordpress.com/mshots/v1/https%3A%2F%2Fa.example%2Findex.html?w=400",
        "https://badgen.net/badge/docs/README.md",
        "https://img.shields.io/badge/made_with-HTML.html",
        "https://a.example/status/README.md",
    ],
)
def test_other_images_are_right(findings, address):
    assert of_addresses(findings, address) == []


def test_a_copy_does_not_expire_but_an_image_that_could_not_be_copied_does(proof):
    text = "---\ntitle: Boards\npreheader: Small.\n---\n\n![A board](https://a.example/x.png?jwt=a)\n"
    made = proof(text, remote_images="copy")
    uncopied = replace(made, rendered=replace(made.rendered, uncopied={"https://a.example/x.png?jwt=a": "gone"}))
    there = frozenset({"https://a.example/x.png?jwt=a"})
    copied = replace(made, rendered=replace(made.rendered, uncopied={}, copied=there))
    assert "image-expiring" in [finding.rule for finding in check(uncopied)]
    assert "image-expiring" not in [finding.rule for finding in check(copied)]


def test_a_password_in_the_address_of_an_image_is_told(findings):
    (told,) = of_addresses(findings, "https://ada:secret@a.example/x.png")
    assert told.rule == "link-private"
