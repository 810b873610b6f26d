"""Choose the newsletter that was asked for, or the only one."""

import pytest

from mailer.publishing.errors import CorrectRequest
from mailer.publishing.newsletters import choose_newsletter


def test_the_newsletter_that_was_asked_for_is_chosen():
    assert choose_newsletter("jianbao").label == "jianbao"


def test_the_only_newsletter_need_not_be_named(settings):
    settings.NEWSLETTERS = {"weekly": settings.NEWSLETTERS["weekly"]}
    assert choose_newsletter(None).label == "weekly"


@pytest.mark.parametrize("name", [None, "daily"])
def test_one_of_several_must_be_named(name):
    with pytest.raises(CorrectRequest, match="weekly, jianbao"):
        choose_newsletter(name)


def test_without_newsletters_the_refusal_says_how_to_start_one(settings):
    settings.NEWSLETTERS = {}
    with pytest.raises(CorrectRequest, match="mailer init"):
        choose_newsletter("weekly")
