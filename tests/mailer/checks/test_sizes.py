from dataclasses import replace

from mailer.checks import check


def test_a_mail_from_80_kilobytes_is_told_before_gmail_cuts_it(proof):
    good = proof("# Title\n\nText.\n")
    padded = good.rendered.html.replace("</body>", "x" * 76_000 + "</body>")
    assert "size-warning" in [
        finding.rule for finding in check(replace(good, rendered=replace(good.rendered, html=padded)))
    ]


def test_a_mail_over_the_limit_is_an_error_that_cannot_be_ignored(findings):
    told = findings(
        "---\ntitle: Long\npreheader: Very.\nignore: [size-limit]\n---\n\n"
        + ("So many words here. " * 20 + "\n\n") * 400
    )
    assert [(one.rule, one.severity) for one in told] == [("key-unused", "warning"), ("size-limit", "error")]


def test_a_style_sheet_that_gmail_drops_is_told(proof):
    good = proof("# Title\n\nText.\n")
    styled = good.rendered.html.replace("</head>", f"<style>{'p{color:red}' * 1500}</style></head>")
    assert "style-size" in [
        finding.rule for finding in check(replace(good, rendered=replace(good.rendered, html=styled)))
    ]
