"""Nothing in an issue can run, load or post anything in an email, an archive page or a preview."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html

from mailer.config.newsletter import Newsletter
from mailer.content.issues import IssueError, read_issue
from mailer.content.rendering import RenderedIssue, render_issue

CORPUS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=https://x.example/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=alert(1)>",
    '<img src="https://a.example/a.png" onload="alert(1)" style="background:url(javascript:alert(1))">',
    "<svg/onload=alert(1)>",
    "<svg><a xlink:href='javascript:alert(1)'><text>x</text></a></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data='data:text/html,x'></object><embed src='javascript:alert(1)'>",
    "<form action='https://x.example'><input name=a><button formaction='javascript:alert(1)'>b</button></form>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href='java&#x0a;script:alert(1)'>x</a>",
    "<a href='&#106;avascript:alert(1)'>x</a>",
    "<a href=' \x01javascript:alert(1)'>x</a>",
    "<a href='vbscript:x'>x</a> <a href='data:text/html;base64,PHNjcmlwdD4='>x</a>",
    "[x](javascript:alert(1)) [y](JAVASCRIPT:alert(1)) [z](java%0ascript:alert(1)) [w](&#106;avascript:x)",
    "![x](javascript:alert(1)) ![y](data:image/svg+xml;base64,AAAA)",
    "<javascript:alert(1)> <data:text/html,x>",
    "[x]: javascript:alert(1)\n\n[x]",
    '[a](https://a.example "\\" onmouseover=alert(1) x=\\"")',
    '![" onerror="alert(1)](https://a.example/a.png)',
    '[a](https://a.example/"onmouseover="alert(1))',
    '<a href="https://a.example/\'>" onclick=x>y</a>',
    "<style>@import 'https://x.example/x.css';</style><link rel=stylesheet href=//x.example/x.css>",
    "<base href='https://x.example/'><meta http-equiv=refresh content='0;url=https://x.example'>",
    "<p style='position:fixed;background:url(https://x.example/t.gif)'>x</p>",
    "<td style='text-align:expression(alert(1))'>x</td>",
    "<div id=x class='card' onclick=alert(1)>x</div>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<!--[if mso]><script>alert(1)</script><![endif]-->",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![endif]--><script>alert(1)</script>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?xml version='1.0'?><?php echo 1 ?>",
    "</div></td></tr></table></body></html><script>alert(1)</script>",
    "<template><script>alert(1)</script></template><xmp><script>alert(1)</script></xmp>",
    "```html\n</code></pre><script>alert(1)</script>\n```",
    '```"><script>alert(1)</script>\nx\n```',
    "`</code><script>alert(1)</script>`",
    "[^<script>alert(1)</script>]: x\n\ny[^<script>alert(1)</script>]",
    "<video src=x onerror=alert(1)></video><audio src=x></audio>",
    "<a name='\"><script>alert(1)</script>'>x</a> [y](#\"><script>)",
    "{{ 7|add:7 }} {% debug %} {% include 'x' %} {{ request }} ${7*7} <%= 7*7 %> -sub- {{{x}}} %recipient%",
    "<bgsound src=x><marquee onstart=alert(1)>x</marquee><isindex action=javascript:alert(1)>",
    "<x onclick=alert(1)>pseudo</x> <a\x0bonclick=alert(1)>",
    "## <script>alert(1)</script>\n\ntext\n\n## <img src=x onerror=alert(1)>\n\ntext",
]
FORBIDDEN_TAGS = {"script", "style", "iframe", "object", "embed", "form", "input", "button", "link", "base"}
FORBIDDEN_TAGS |= {"meta", "svg", "math", "video", "audio", "template"}


@pytest.fixture(scope="module")
def render(tmp_path_factory):
    folder = tmp_path_factory.mktemp("issue")
    newsletter = Newsletter(
        label="weekly",
        name="<script>alert(2)</script>",
        from_email="editor@news.example.com",
        folder=folder,
        postal_address='<img src=x onerror="alert(2)">',
        license="<b onclick=x>",
    )

    def render_text(body: str, title: str = "T") -> RenderedIssue:
        path = folder / "issue.md"
        path.write_bytes(f"---\ntitle: '{title}'\n---\n{body}".encode())
        return render_issue(read_issue(path), newsletter, base_url="https://news.example.com")

    return render_text


def dangers(page: str, whole: bool) -> list[str]:
    tree = html.document_fromstring(page.encode(), parser=html.HTMLParser(huge_tree=True, encoding="utf-8"))
    found = []
    for element in tree.body.iter():
        if not isinstance(element.tag, str):
            found += [str(element)] if not whole and "mso" not in (element.text or "") else []
            continue
        found += [element.tag] if element.tag in FORBIDDEN_TAGS else []
        for name, value in element.attrib.items():
            bare = re.sub(r"[\x00-\x20]", "", value).lower()
            scripted = re.match(r"(javascript|vbscript|data):", bare) and name in (
                "href",
                "src",
                "action",
                "background",
            )
            foreign = name == "style" and re.search(r"url\(|expression|position:|@import", bare)
            if name.startswith("on") or name in ("srcdoc", "formaction") or scripted or foreign:
                found.append(f"{name}={value}")
        if element.tag == "img" and not (element.get("src") or "").startswith("https://"):
            found.append(f"img {element.get('src')}")
    return found


def check(mail: RenderedIssue) -> None:
    assert dangers(mail.html, whole=True) == []
    assert dangers(f"<html><body>{mail.article}</body></html>", whole=False) == []
    assert not re.search(r"slot[0-9a-f]{16}x", mail.html)
    assert len(re.findall(r"</body>", mail.html)) == 1


@pytest.mark.parametrize("text", CORPUS)
def test_an_attack_is_inert(render, text):
    for body in (text, f"before {text} after", f"- {text}\n\n> {text}\n\n| a |\n|---|\n| {text} |\n"):
        check(render(body))


def test_an_attack_in_the_title_is_text(render):
    mail = render("x", title="<script>alert(1)</script> {{ 7|add:7 }} {% debug %}")

    check(mail)
    assert mail.subject == "<script>alert(1)</script> {{ 7|add:7 }} {% debug %}"
    assert "&lt;script&gt;alert(1)&lt;/script&gt; {{ 7|add:7 }}" in mail.html


PIECES = st.sampled_from(
    [
        *CORPUS,
        "<",
        ">",
        '"',
        "'",
        "`",
        "\n",
        "\n\n",
        " ",
        "[",
        "](",
        ")",
        "*",
        "|",
        "- ",
        "> ",
        "# ",
        "x",
        "&#x3c;",
        "=",
    ]
)


@settings(max_examples=100)
@given(st.lists(PIECES, max_size=8))
def test_attacks_put_together_are_inert(render, pieces):
    try:
        mail = render("".join(pieces))
    except IssueError:
        return
    check(mail)
