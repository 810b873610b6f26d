"""What other programs write into Markdown: site generators, note-taking programs, services that send newsletters.

`IN_WORDS` is in order: what the first pattern finds, the later ones do not look at. Each has the signs, separated by
spaces, of which a text must have one: without them its pattern is not even compiled.
"""

import re

from mailer.checks.kinds import Markup
from mailer.checks.merge_fields import CLOSE, COMMON, FALLBACK, FIELD, GREETING, OPEN, SIGNS, WHO
from mailer.checks.words import BLANK, STARRED
from mailer.content.markdown.named_tags import JOINS, KINDS
from mailer.content.patterns import lazy

_NOTE = (
    "remove it: only <!-- a comment --> below the title is left out of an email; what should be shown belongs in `code`"
)


def _left(signs: str, expression: str, fix: str, flags: int = 0) -> Markup:
    return Markup("markup-left", tuple(signs.split()), lazy(expression, flags), fix)


def _elsewhere(signs: str, pattern: re.Pattern[str]) -> Markup:
    """Describe what another rule reports."""
    return Markup("", tuple(signs.split()), pattern, "")


def _private(signs: str, expression: str, called: str, flags: int = re.DOTALL) -> Markup:
    """Describe a note that its writer believes nobody sees."""
    return Markup("private-note", tuple(signs.split()), lazy(expression, flags), _NOTE, called=called)


def _maybe(signs: str, expression: str, fix: str, flags: int = 0, *, in_front: bool = False) -> Markup:
    return Markup("markup-maybe", tuple(signs.split()), lazy(expression, flags), fix, in_front)


# ---------------------------------------------------------------- merge fields

_OWN_FIX = "write it for all subscribers: mailer replaces nothing in a text"

_MERGE_FIELDS = (
    # *|FNAME|*, {{ name }} and their like.
    _elsewhere("{{ %% <% [", BLANK),
    _elsewhere("*|", STARRED),
    _left(SIGNS, rf"(?<![\w%$#@]){OPEN}{FIELD}{FALLBACK}{CLOSE}(?!\w)", _OWN_FIX, re.IGNORECASE),
    _left(
        f"{SIGNS} - < ＜",
        rf"{GREETING}[,，]?(?:\s*{OPEN}|\s*[<＜]|\s+-)(?:{WHO}|{FIELD}){FALLBACK}(?:{CLOSE}|[>＞]|-)",
        _OWN_FIX,
        re.IGNORECASE,
    ),
    _left(
        "NAME XX",
        r"(?<![A-Za-z])(?:[Dd]ear|[Hh](?:i|ey|ello|allo|ola)|Liebe[rs]?|Bonjour|亲爱的|您好)[ ,，]{0,2}"
        r"(?:(?:[FL]|FIRST_?|LAST_?)?NAME(?!\w)|XXX{0,3}(?=[ \t]{0,5}(?:[,，、:：!！.。\n]|\Z)))",
        _OWN_FIX,
    ),
    # {first_name, "there"}, [Name,fallback=friend], {contactfield=firstname}, %recipient.name%, <%= name %>
    _left("{", r"\{\$?\w+,\s*[\"“'‘][^{}\n]{0,80}[\"”'’]\}", _OWN_FIX),
    _left("[", r"\[\w[\w .-]{0,40},\s*fallback\s*=[^\]\n]{0,80}\]", _OWN_FIX, re.IGNORECASE),
    _left("{", r"\{(?:contactfield|custom_?field|subtag|mc|merge)[=:][^{}\s]{1,60}\}", _OWN_FIX, re.IGNORECASE),
    _left("% #", r"%(?:recipient|user|contact|subscriber)[._]\w+%|#recipient:[^#\s]{1,60}#", _OWN_FIX, re.IGNORECASE),
    _left("{ [[", rf"\{{!\w+\}}|\{{\$_?{COMMON}\}}|\[\[(?:data|var):[^\]\n]{{1,80}}\]\]", _OWN_FIX, re.IGNORECASE),
    _left("<%", r"<%.{1,200}?%>", _OWN_FIX, re.DOTALL),
    _left(
        "<", r"</?(?:unsubscribe|webversion|preferences|forwardtoafriend|singleline|multiline)(?:\s[^<>]*)?>", _OWN_FIX
    ),
    _maybe(
        SIGNS,
        rf"(?<![\w%$#@\[{{｛])(?!\[\w|[【［]|\{{\{{|｛｛){OPEN}{COMMON}{CLOSE}(?!\w)",
        _OWN_FIX,
        re.IGNORECASE,
        in_front=True,
    ),
)

# In an address, only what is certain: `https://api.example.org/{id}` may be meant, and a variable of a site generator,
# `{{base}}125627`, costs its link, which the renderer says.
_NAME = rf"(?:{FIELD}|{COMMON}){FALLBACK}"
IN_ADDRESSES = _left(
    "{ % *| <% [ @",
    rf"\{{\{{[^{{}}]{{0,100}}(?:unsub|tracklink|{_NAME})[^{{}}]{{0,100}}\}}\}}|\{{[$!]?{FIELD}{FALLBACK}\}}"
    rf"|(?<==)\{{[$!]?{_NAME}\}}|%%\w+%%|%{_NAME}%|\*\|.{{1,100}}?\|\*|<%|\[\[{_NAME}\]\]|\[UNSUB\w*\]|@TrackLink\b",
    "write out the address; mailer adds the link to unsubscribe by itself",
    re.IGNORECASE,
)


# ---------------------------------------------------------------- site generators and note-taking programs

_SHOW = "put it in `code` if it should be shown as it is"
_IF_NOTE = f"remove it if it is a note: only <!-- a comment --> is left out of an email; or {_SHOW}"
_EXPAND = f"write out what it expands to, or {_SHOW}"
_IMAGE = "write ![words](address) with an address that has no spaces, or the address in <…>"
_LINK = "write [words](address) with an address that has no spaces, or the address in <…>"

# Numbers of repetitions are limited: a text made to be slow must not take minutes.
_IN_PARENTHESES = r"(?:[^()\n]|\([^()\n]{0,100}\)){0,300}"

# What an address has, and a reference such as [Smith](2020: 15) or [Fig. 2](see p. 3) has not.
_OF_AN_ADDRESS = r"(?:[/@#{]|(?:https?|mailto|tel):|\.[A-Za-z]{2,5}\b)"

_TOC = "(?:TOC|ToC|Toc|toc)"
CONTENTS = _left(
    "TOC ToC Toc toc",
    rf"\A\s*(?:\[\[?_?{_TOC}_?(?:\s[^\[\]\n]{{0,40}})?\]?\]|\$\{{{_TOC}\}}|{_TOC})\s*\Z",
    "remove it; mailer lists the sections by itself",
)

# What only its writer would take for a tag; around one word, it is one of XML that a text shows: "<secret>x</secret>".
OWN_TAGS = "comment|note|private|internal|secret"
_ONE_WORD = r"[A-Za-z0-9_.…-]{1,40}"

_CERTAIN = (
    # Obsidian (no "x %% y"), also one that goes on in the next block; MDX; Jinja; CriticMarkup; and HTML, in a subject.
    _private(
        "%%",
        r"(?<![\d%])(?<!\d )(?<!\b\w )%%(?!%).{1,5000}?%%(?!%)|^%%(?!%)|(?<![\d%])(?<!\d )%%\s*\Z",
        "the Obsidian comment ",
        re.DOTALL | re.MULTILINE,
    ),
    _private(
        "{ <!--",
        r"\{/(?:\*|\s).{0,1000}?[\s*]/\}|\{#(?=\s).{0,1000}?#\}|\{>>.{0,1000}?<<\}|<!--.{0,1000}?-->",
        "the comment ",
    ),
    # Tags of one's own are shown as text, and so is a reference that is used as a comment inside of a paragraph. A text
    # about them says "<note> and </note>".
    _private(
        "</",
        rf"<({OWN_TAGS})>(?!(?:{JOINS.pattern}|{_ONE_WORD})</).{{0,1000}}?</\1>",
        "",
        re.DOTALL | re.IGNORECASE,
    ),
    Markup("markup-maybe", ("</",), lazy(rf"<({OWN_TAGS})>{_ONE_WORD}</\1>", re.IGNORECASE), _IF_NOTE),
    _private(
        "] ］",
        r"^[\[［](?://|／／|[Cc]omment|COMMENT|[#_.-]|\^_\^)[\]］][ \t]?[:：][^\n]*",
        "the comment ",
        re.MULTILINE,
    ),
    _private("％％", r"％％(?!％).{1,2000}?％％", "the comment "),
    # LaTeX, Org mode, Pandoc.
    _private(
        "\\begin #+ :::",
        r"^(?:\\begin\{comment\}|#\+(?:begin_)?comment\b|:{3,}[ \t]*\{?\.?(?:comment|hidden|private|internal)\b)[^\n]*",
        "the comment ",
        re.MULTILINE | re.IGNORECASE,
    ),
    _left("![[", r"!\[\[[^\[\]\n]*\]\]", "write ![words](address): Obsidian's links mean nothing in an email"),
    _left("![", rf"(?<!\w)!\[[^\[\]]*\](?:\({_IN_PARENTHESES}\)?|\[[^\[\]\n]*\])", _IMAGE),
    _left(
        "![",
        r"(?<!\w)!\[[^\[\]\n]{1,200}\](?:\s{1,3}\(|\s?（)"
        rf"(?=[^()（）\n]{{0,300}}?{_OF_AN_ADDRESS})[^()（）\n]{{0,300}}[)）]",
        "write ![words](address), without a space between",
    ),
    # Hugo; Zola, Jekyll, Eleventy, Handlebars; Liquid without an end; WordPress.
    _left("{{", r"\{\{[<%](?:.{0,500}?[%>]\}\})?", _EXPAND, re.DOTALL),
    _left("{{", r"\{\{\{?\s*[#/^&>!$~.-]*\s*(?:[^\W\d]|[\"'“‘]).{0,500}?\}\}\}?", _EXPAND, re.DOTALL),
    _left("｛｛", r"｛｛[^｛｝\n]{1,200}｝｝", _EXPAND),
    _left("{%", r"\{%-?\s+\w+", _EXPAND),
    _left("[", r"\[/?[a-z][\w-]*(?:\s+[\w-]+=[\"“'][^\"”'\n]{0,300}[\"”'])+\s*/?\]", _EXPAND),
    # Images and links of HTML that are text, because a quotation mark or a bracket is wrong; none that a text is about.
    _left(
        "< ＜",
        r"(?<!the )(?<![\w<])[<＜]\s?img\s(?=[^<>＜＞\n]{0,500}?src=)[^<>＜＞\n]{1,500}"
        rf"(?:[>＞](?![\s-]*{KINDS})|\Z)",
        "close its quotation marks, and it with >, or write ![words](address)",
        re.IGNORECASE,
    ),
    _left(
        "< ＜",
        r"[<＜]\s?a\s[^<>＜＞\n]{0,300}?href=[^<>＜＞\n]{1,500}[>＞][^<>＜＞\n]{1,300}[<＜]\s?/a\s?[>＞]",
        "close its quotation marks, or write [words](address)",
        re.IGNORECASE,
    ),
    # A link without an address, or that lost it with a tag of Liquid.
    _left("](", r"(?<!\w)\[[^\[\]]+\]\(\s*\)", "write an address in the ( ); that of an issue is the name of its file"),
    # A link that is none, because something in it is no address, although it has one.
    _left("](", rf"(?<!\w)\[[^\[\]]+\]\((?=[^()\n]{{0,300}}?{_OF_AN_ADDRESS}){_IN_PARENTHESES}\)", _LINK),
    # One that is never closed.
    _left("](", r"(?<![\w\]])\[[^\[\]\n]{1,200}\]\(<?(?:https?://|mailto:)[^\s()]{1,300}", "close the link with )"),
    CONTENTS,
    # A power, "x[^2]" or "9 m[^2]", and a class of regular expressions, "[^a-z]".
    _maybe(
        "[^",
        r"(?<![A-Za-zÀ-ÿ])(?:[a-zR]|mc|[kcm]m)\[\^-?[\dn]{1,2}\]",
        f"write it as x^2^ if it is a power, or {_SHOW}",
    ),
    _left(
        "[^",
        r"(?:(?<=[\w.,;:!?)\"'”’」。，！？])\[\^(?!(?:\w-\w){1,5}\])[\w-]{1,40}\]|\[\^\d{1,3}\])",
        "write the footnote, as [^1]: words on a line of their own, or remove its mark",
    ),
)

ADMONITIONS = (
    "note|abstract|info|tip|success|question|warning|failure|danger|bug|example|quote|important|caution|hint|"
    "attention|error|seealso|details"
)
_WRITE = f"write it in Markdown, or {_SHOW}"
_CALLOUT = "write > [!NOTE] and the text in lines that begin with >"
_SPACE = "put a space after the # of a heading, or a backslash before it"
_FORMULA = "show an image of the formula, or write it in words"
_BETWEEN = r"[^$\n]{0,80}?"
_VALUE = r"(?:\"[^\"<>]*\"|'[^'<>]*'|\{[^<>]*?\})"
_WIDE = "[\u3040-\u30ff\u3400-\u9fff]"
_WEB = "https?://|mailto:"
_MEANT = rf"(?:{_WEB}|[^()（）\s]{{1,200}}\.(?:png|jpe?g|gif|webp))"
_STRAY = r"[^*~=\n]{1,200}?"

_UNCERTAIN = (
    _maybe("[[", r"\[\[[^\[\]\n]+\]\]", "write [words](address): an email has no links of this kind"),
    # Docusaurus, VuePress, Pandoc; MkDocs; reStructuredText.
    _maybe(": ：", r"^[:：]{3,}\s*\{?\.?[A-Za-z][\w-]*|\A:{3,}\Z", _CALLOUT, re.MULTILINE),
    _maybe("!!! ??? ::", rf"\A(?:!!!|\?\?\?\+?)\s+(?:{ADMONITIONS})\b.*|\A\.\. [a-z-]+::", _CALLOUT),
    _maybe("===", r"\A===\+? \"[^\"\n]{1,100}\"", "write a heading: an email has no tabs"),
    _maybe("\\begin{", r"\A\\begin\{[a-z]+\*?\}", _FORMULA),
    # Formulas, but no prices: what begins with a digit has a sign of a formula in it.
    _maybe("$$", r"\$\$.{1,500}?\$\$", _FORMULA, re.DOTALL),
    _maybe("$", rf"(?<![\w$])\$(?![\s\d${{]){_BETWEEN}(?<![\s$])\$(?![\w$])", _FORMULA),
    _maybe("$", rf"(?<![\w$])\$\d{_BETWEEN}[\\^_=]{_BETWEEN}(?<![\s$])\$(?![\w$])", _FORMULA),
    # Links with a space in the middle, or the brackets the other way round.
    _maybe(
        "[",
        r"(?<![\w\])])\[(?=[^\]\n]{0,200}?[^\W\d_])[^\[\]\n]{1,200}\][ \t\n]{1,2}\(\s*(?:https?://|mailto:)[^()\n]{1,300}\)"
        r"|\([^()\n]{1,200}\)\[\s*https?://[^\[\]\n]{1,300}\]",
        "write [words](address), without a space between",
    ),
    _maybe(
        "[",
        rf"\((?:{_WEB})[^()\s]{{1,300}}\)\[(?=[^\]\n]{{0,200}}?[^\W\d_])[^\[\]\n]{{1,200}}\](?![(\[])"
        rf"|(?<![\w\])])\[(?=[^\]\n]{{0,200}}?[^\W\d_])[^\[\]()\n]{{1,200}}\((?:{_WEB})[^()\s]{{1,300}}\)(?![^\[\n]{{0,200}}\])",
        "write [words](address)",
    ),
    # Marks of Markdown in full width, as a Chinese or Japanese keyboard writes them.
    _maybe(
        "（ 】 ］ ［ 》 ＞ ＃ ＊ ＝ ｀",
        rf"\[[^\[\]\n]{{1,200}}\]（\s*{_MEANT}[^()（）\s]{{0,300}}\s*[)）]"
        rf"|[【［][^【】［］\n]{{1,200}}[】］][(（]\s*{_MEANT}[^()（）\s]{{0,300}}\s*[)）]"
        r"|\A[》＞](?![》＞])[^\n]{1,100}|\A＃{1,6}[ \u3000][^\n]*|\A［[ xX\u3000]］\s"
        r"|(?<!＊)＊＊(?=\w)[^＊\n]{1,100}＊＊(?!＊)|(?<!＝)＝＝(?=\w)[^＝\n]{1,100}＝＝(?!＝)"
        r"|［(?:［[^［］\n]{1,100}］|＾\w{1,40})］|(?<!｀)｀(?=\S)[^｀\n]{1,200}｀(?!｀)",
        "type its marks in half width: [ ] ( ) > # * = `",
    ),
    # A space that only looks like one; tags of Bear and Obsidian, in a line of their own.
    _maybe(
        "#",
        r"^#{1,6}[\u00a0\u3000][^\W_][^\n]*",
        "type the space after the # again, it is not an ordinary one, or let `mailer check --fix` do it",
        re.MULTILINE,
    ),
    _maybe(
        "#",
        r"\A(?=\S*/|\S+[ \t]+#)(?:#(?=[\w/-]{0,60}?[^\W\d_])[\w/-]{1,60}(?:[ \t]{1,3}(?=#)|[ \t]{0,3}\Z)){1,20}\Z",
        "remove the tags: they mean nothing in an email",
    ),
    # Headings, but no hashtags: those are single words.
    _maybe("##", r"^#{2,6}[^\W\d_][^\n]*", _SPACE, re.MULTILINE),
    _maybe("#", r"\A#(?:[^\W\d_a-z]\w*(?: [^\s#]+){1,5}|[\u3400-\u9fff][^#\s]{1,30})(?<![.!?…。！？])\Z", _SPACE),
    _maybe(
        "{",
        r"\{:?\s*(?:[#.][A-Za-z][\w-]*|(?:width|height|class|id|style|target|rel|align|title|alt|loading)=)"
        r"[^{}\n]{0,120}\}",
        "put attributes right behind what they belong to, or remove them",
    ),
    _maybe("：", r"(?<!\w)：[a-z][a-z0-9_+-]{1,30}：(?!\w)", "write :name: for an emoji, not ：name："),
    # A mark with a space on its inner side: **bold **word.
    _maybe(
        "** ~~ ==",
        rf"(?<![*~=0-9A-Za-z_])(\*\*|~~|==)(?=\w){_STRAY}[ \t]\1(?![\s*~=])"
        rf"|(?<![*~=0-9A-Za-z_])(\*\*|~~|==)[ \t]{_STRAY}\w\2(?![*~=0-9A-Za-z_])",
        "remove the space beside the mark",
    ),
    _maybe(
        "**", r"(?<![\w*])\*\*(?=[\w\"“«(])[^*\n]{1,200}[:.!?…,;)]\*\*(?=[^\W\d_])", "put a space behind the bold words"
    ),
    # In a block of HTML, nothing is read as Markdown.
    _maybe(
        "**",
        r"(?<![\w*])\*\*(?=[^\s*])[^*\n]{1,200}?(?<=\S)\*\*(?![\w*])",
        "write <b>words</b>, or an empty line below the tag",
    ),
    _maybe("__", rf"__(?={_WIDE})[^_\n]{{0,200}}(?<={_WIDE})__", "write **words**"),
    # Marks that nothing closes. A "*" at the beginning of a line is a note below a table.
    _maybe(
        "**",
        rf"(?:(?<![\w*])|(?<={_WIDE}))\*\*(?!kw|args|opt|param|self)(?=[^\W\d_]|[“「『《（])[^*]{{1,300}}\Z",
        "write ** where the bold words end",
    ),
    _maybe(
        "*",
        rf"(?:(?<=[^\S\n])|(?<={_WIDE}))\*(?!kw|args|opt|param|self)(?=[^\W\d_])[^*]{{1,300}}\Z",
        f"write * where the words end, or {_SHOW}",
    ),
    _maybe("~~", rf"(?:(?<![\w~])|(?<={_WIDE}))~~(?=\w)[^~]{{1,300}}\Z", "write ~~ where the words end"),
    _maybe("==", rf"(?:(?<![\w=!<>])|(?<={_WIDE}))==(?=\w)[^=]{{1,300}}\Z", "write == where the words end"),
    _maybe("`", r"(?<![\w`´'])`(?=[^\s`'])[^`']{1,300}\Z", "write ` where the code ends"),
    _maybe(
        "][",
        r"(?<![\w\])])\[(?=[^\]\n]{0,300}?[^\W\d_])[^\[\]\n]{1,300}\]\[[^\[\]\n]{0,60}\]",
        "define the link, as [name]: address on a line of its own",
    ),
    # MDX.
    _maybe(
        "import export",
        r"^(?:import|export)\s[^\n]{0,200}(?:\sfrom\s|\bconst\s)[^\n]{0,200}[\"'“”‘’=][^\n]{0,200}",
        f"remove it, or {_SHOW}",
        re.MULTILINE,
    ),
    _maybe(
        "<",
        rf"(?<![\w<])<(?:/[A-Z]\w*|[A-Z][\w.]*(?:\s+[\w-]+(?:={_VALUE})?)*\s*/|[A-Z][\w.]*(?:\s+[\w-]+={_VALUE})+\s*)>",
        f"write it in Markdown, or {_SHOW}",
    ),
    # A tag that nothing ends. Right behind "the" or before "tag", the text talks about it.
    _maybe(
        "<",
        r"(?<!the )(?<![\w<])<(?!(?:base|col|link|meta|param|source|track)\b)[a-z][\w-]*"
        r"(?:\s+[\w:-]+){0,20}?\s+[\w:-]+="
        rf"(?:\"[^\"<>\n]*\"|'[^'<>\n]*'|[^\s\"'<>]+)[^<>\n]{{0,300}}>(?![\s-]*{KINDS})",
        f"close its quotation marks, and it with an end tag, or {_SHOW}",
    ),
    _maybe(
        "<",
        r"(?<!the )(?<![\w<])<(?:[biu]|em|strong|s|del|ins|small|big|mark|su[bp]|code|kbd|font|center)>(?=[^\W_])"
        r"|(?<=[^\W_])</(?:[biu]|em|strong|s|del|ins|small|big|mark|su[bp]|code|kbd|font|center|span|a)>",
        f"write the tag at its other end, too, or {_SHOW}",
    ),
    _maybe(
        ":",
        r"(?<![\w:/])(?<!\w\[):[a-z][a-z0-9_+-]*[a-z0-9]:(?![\w:/])",
        f"use the emoji itself, or {_SHOW}",
        in_front=True,
    ),
    _maybe("[/", r"\[/[a-z][\w-]*\]", _EXPAND),
    _maybe(
        "[^", r"\[\^[\w-]{1,40}\]", "write the footnote, as [^name]: words on a line of its own, or put it in `code`"
    ),
    # PHP Markdown Extra; markdown-it's "ins", but no "++i or i++".
    _maybe(
        "*[",
        r"^\*\[[^\[\]\n]{1,60}\]:[ \t]*\S[^\n]*",
        "write the meaning beside the word, and remove this line",
        re.MULTILINE,
    ),
    _maybe(
        "++",
        r"(?<![0-9A-Za-z_+])\+\+(?=[^\W\d_]{2})(?P<first>\w+)\b(?![^+\n]{0,200}?\b(?P=first)\+\+)"
        r"(?:[^+\n]{0,200}?[^\W\d_][.!?…。！？]?)?\+\+(?![0-9A-Za-z_+])",
        f"write <ins>words</ins>, or {_SHOW}",
    ),
    # CriticMarkup; Logseq.
    _maybe("{", r"\{(\+\+|--|==).{1,300}?\1\}", "accept or reject the change", re.DOTALL),
    _maybe("::", r"^[a-z][\w-]*::[ \t]\S[^\n]*", f"remove it, or {_SHOW}", re.MULTILINE),
    _maybe("^", r"(?:(?<=\s)|\A)\^[A-Za-z0-9][\w-]{2,40}\s*\Z", "remove it: it names a block in Obsidian"),
    _maybe("[", r"\A\[[/<>?!*-]\]\s", "use [ ] or [x], which are shown as boxes"),
    _maybe("((", r"\(\([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\)\)", _EXPAND),
    _maybe("[!", r"\A\[![A-Za-z]{2,20}\][+-]?", _CALLOUT),
    # Discord; Japanese readings; Org mode; AsciiDoc and program code.
    _maybe("||", r"(?<![|\w])\|\|(?=[^\s|])[^|\n]{1,200}(?<=[^\s|])\|\|(?![|\w])", _WRITE),
    _maybe(
        "{", "\\{[\u3400-\u9fff々]{1,20}\\|[\u3040-\u30ff|]{1,60}\\}", "write the reading in brackets behind the word"
    ),
    _maybe("#+", r"^#\+[A-Za-z]+(?:_[A-Za-z]+)*\b[^\n]{0,100}", _WRITE, re.MULTILINE),
    _maybe("//", r"\A/{4,}(?=\n)|\A//[ \t][^\n]{1,200}", _IF_NOTE),
    _maybe("/*", r"(?<!\w)/\*[^\n]{1,300}?\*/", _IF_NOTE),
    # LaTeX; references of Pandoc.
    _maybe(
        "\\",
        r"\\(?:text(?:bf|it|tt|sc)|emph|cite[pt]?|(?:eq)?ref|label|footnote|href|url|(?:sub){0,2}section|chapter|frac|sqrt"
        r"|includegraphics)\*?(?:\[[^\[\]\n]{0,100}\])?\{[^{}\n]{0,200}\}?",
        _WRITE,
    ),
    _maybe("@", r"\[-?@[A-Za-z][\w:.-]{0,60}\d[\w:.-]{0,60}(?:[,;][^\[\]\n]{0,100})?\]", "write out the reference"),
    _maybe("](", rf"[^\[\]\n]{{0,60}}\]\((?:{_WEB})[^()\s]{{1,300}}\)?", "write [words](address)"),
    _maybe("\\", r"\A\\(?:newpage|pagebreak|clearpage|tableofcontents|toc)\Z", "remove it"),
)

# A title in the front matter is plain text.
IN_FRONT = (
    _maybe(
        "** ~~ ==",
        r"(?<![\w*])\*\*(?=\S)[^*\n]+(?<=\S)\*\*|~~(?=\S)[^~\n]+~~|(?<!=)==(?=[^\s=])[^=\n]+==(?!=)",
        "remove the marks",
    ),
    _maybe(
        "</",
        r"<(em|strong|b|i|u|code|span|mark|sup|sub|small|s|del|a|p|font)(?:\s[^<>]{0,200})?>[^<>]{1,300}</\1>",
        "remove the tags: a subject is plain text",
    ),
    _maybe("<", r"<br\s*/?>", "remove the tag: a subject is plain text"),
    _maybe("&", r"&(?:[A-Za-z]{2,8}|#\d{2,5}|#x[0-9A-Fa-f]{2,5});", "write the character itself"),
)
IN_WORDS = (*_MERGE_FIELDS, *_CERTAIN, *_UNCERTAIN)
