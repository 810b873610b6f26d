"""What merge fields look like: `dialects` makes patterns of these pieces of regular expressions."""

# Names that only a merge field has, in any spelling: first_name, FIRSTNAME, contact.FirstName, unsubscribe_url.
OWNER = r"(?:(?:contact|subscriber|recipient|member|person|customer|lead|profile|user|merge)[._ :])?"
FIELD = (
    rf"{OWNER}(?:f(?:irst)?[_ -]?name|l(?:ast)?[_ -]?name|full[_ -]?name|e?mail[_ -]?address|"
    r"(?:link[_ -])?unsub(?:scribe)?(?:[_ -]?(?:link|url|text))?|(?:preferences|forward)[_ -]?(?:link|url)|"
    r"(?:view|read)?[_ -]?(?:in|on)?[_ -]?(?:web|browser)[_ -]?(?:version|view|link|url))"
)
# Names that a program text or an address may have, too.
WHO = rf"{OWNER}(?:name|user_?name)"
COMMON = rf"{OWNER}(?:name|e-?mail|user_?name|company|city)"
OPEN = r"(?:<<|%%?|\{\{?\{?[$!]?|\$\{|\$\$?|##|@@?|\[\[?%?|~)\s?"
CLOSE = r"\s?(?:>>|%?\]\]?|%%?|\}\}?\}?|\$\$?|##|@@?|~)"
FALLBACK = r"(?:(?:\s*[,|:=/]|\sOR\s)[^{}\[\]\n]{0,80})?"
GREETING = (
    r"(?<![A-Za-z])(?:dear|hi|hey|hello|hallo|liebe[rs]?|bonjour|cher|chère|hola|querid[oa]|ciao|亲爱的|您好|你好)"
)
SIGNS = "<< % { $ ## @ [ ~"  # of which OPEN has one
