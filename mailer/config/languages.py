"""Languages that a newsletter may be written in. Pages and the text around an issue exist in two of them."""

import re

_ISO_639_1 = (
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en "
    "eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv "
    "ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne "
    "ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st "
    "su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu"
)
KNOWN = frozenset(_ISO_639_1.split())
# Three letters are for languages without a code of two (BCP 47); these have one.
_THREE_FOR_TWO = (
    "eng:en zho:zh-hans chi:zh-hans deu:de ger:de fra:fr fre:fr spa:es por:pt ita:it nld:nl dut:nl rus:ru ukr:uk "
    "pol:pl jpn:ja kor:ko ara:ar heb:he fas:fa per:fa hin:hi tur:tr vie:vi ind:id tha:th swe:sv dan:da fin:fi ces:cs"
)
SHORTER = dict(pair.split(":") for pair in _THREE_FOR_TWO.split())
LISTED = "en zh-hans zh-hant ar cs da de es fa fi fr he hi id it ja ko nl no pl pt ru sv th tr uk vi"


def read_language(text: str) -> str:
    """Return the code as Django writes it: zh-hans, pt-br. Raises ValueError, which lists the codes to choose from."""
    code = text.strip().lower().replace("_", "-")
    first = code.split("-")[0]
    if not re.fullmatch(r"[a-z]{2,3}(-[a-z0-9]{2,8})*", code) or (len(first) == 2 and first not in KNOWN):
        raise ValueError(f"is not a language code; {_choices()}")
    if first in SHORTER:
        raise ValueError(f"has a shorter code: {SHORTER[first]}; {_choices()}")
    return code


def _choices() -> str:
    return f"write one of {', '.join(LISTED.split())}, or another code of ISO 639."
