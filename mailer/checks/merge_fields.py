"""What merge fields look like: `dialects` makes patterns of these pieces of regular expressions."""

# Names that only a merge field has, in any spelling: first_name, FIRSTNAME, contact.FirstName, unsubscribe_url.
OWNER = r"(?:(?:contact|subscriber|recipient|member|person|customer|lead|profile|user|merge)[._ :])?"
FIELD = (
    rf"{OWNER}(?:f(?:irst)?[_ -]?name|l(?:ast)?[_ -]?name|full[_ -]?name|e?mail[_ -]?address|"
    r"(?:link[_ -])?unsub(?:scribe)?(?:[_ -]?(?:link|url|text))?|(?:preferences|forward)[_ -]?(?:link|url)|"
    r"(?:view|read)?[_ -]?(?:in|on)?[_ -]?(?:web|browser)[_ -]?(?:version|view|link|url))"
)
# Names that a program text or an address may have, too.
_IN_OTHER_LANGUAGES = (
    "姓名|名字|昵称|暱稱|称呼|稱呼|名前|お名前|氏名|이름|الاسم|vorname|nachname|prénom|nom|nombre|apellidos?|nome"
)
WHO = rf"{OWNER}(?:name|user_?name|{_IN_OTHER_LANGUAGES})"
COMMON = rf"{OWNER}(?:name|e-?mail|user_?name|company|city|{_IN_OTHER_LANGUAGES})"
OPEN = r"(?:<<|%%?|\{\{?\{?[$!]?|\$\{|\$\$?|##|@@?|\[\[?%?|[【［｛]|~)\s?"
CLOSE = r"\s?(?:>>|%?\]\]?|[】］｝]|%%?|\}\}?\}?|\$\$?|##|@@?|~)"
FALLBACK = r"(?:(?:\s*[,|:=/]|\sOR\s)[^{}\[\]\n]{0,80})?"
GREETING = (
    r"(?<![A-Za-z])(?:dear|hi|hey|hello|hallo|liebe[rs]?|bonjour|cher|chère|hola|querid[oa]|ciao|亲爱的|您好|你好"
    r"|尊敬的|敬爱的|敬愛的|(?<!\w)亲|عزيزي|عزيزتي|مرحبا|أهلا"
    r"|こんにちは[、,]?|안녕하세요|bonsoir|sehr[ ]geehrte[rs]?|estimad[oa]|olá|caro|cara)"
)
SIGNS = "<< % { $ ## @ [ ~ 【 ［ ｛"  # of which OPEN has one
