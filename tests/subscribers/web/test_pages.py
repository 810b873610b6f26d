from django.utils import translation

from subscribers.web import pages, preferences, views
from subscribers.web.pages import newsletter_shown

# A consent record keeps this number. With any change of a sentence, in any language: raise it in
# subscribers/web/pages.py, and write the new sentences here.
VERSION = "2"
SENTENCES = {
    "en": (
        "I want to receive The Weekly by email. I can unsubscribe at any time with one click.",
        "I want to receive these by email. I can unsubscribe at any time with one click:",
    ),
    "zh-hans": (
        "我愿意通过邮件接收《The Weekly》，并可随时一键退订。",
        "我愿意通过邮件接收以下内容，并可随时一键退订：",
    ),
}


def test_the_sentences_that_subscribers_agree_to_belong_to_one_version(settings):
    shown = newsletter_shown("weekly")
    spoken = {}
    for language, _ in settings.LANGUAGES:
        with translation.override(language):
            spoken[language] = (views.promise(shown), preferences._promise())
    assert (pages.WORDING_VERSION, spoken) == (VERSION, SENTENCES)
