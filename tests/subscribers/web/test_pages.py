from django.utils import translation

from subscribers.web import pages, preferences, views
from subscribers.web.pages import newsletter_shown

# A consent record keeps this number. With any change of a sentence, in any language: raise it in
# subscribers/web/pages.py, and write the new sentences here.
VERSION = "3"
SENTENCES = {
    "en": (
        "By subscribing, you agree to receive The Weekly by email. You can unsubscribe at any time with one click.",
        "By ticking a newsletter, you agree to receive it by email. You can unsubscribe at any time with one click.",
    ),
    "zh-hans": (
        "订阅即表示你同意通过邮件接收《The Weekly》。你可以随时一键退订。",
        "勾选即表示你同意通过邮件接收所选内容。你可以随时一键退订。",
    ),
}


def test_the_sentences_that_subscribers_agree_to_belong_to_one_version(settings):
    shown = newsletter_shown("weekly")
    spoken = {}
    for language, _ in settings.LANGUAGES:
        with translation.override(language):
            spoken[language] = (views.promise(shown), preferences._promise())
    assert (pages.WORDING_VERSION, spoken) == (VERSION, SENTENCES)
