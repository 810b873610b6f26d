"""An issue and its subscribers, as every provider is given them."""

from mailer.providers.headers import issue_headers
from mailer.providers.messages import Message, Recipient

PLACEHOLDER = "zq0123456789abcdef"


def reader(number=1, email=None, name=""):
    return Recipient(
        delivery=number,
        email=email or f"reader{number}@example.com",
        name=name,
        unsubscribe_url=f"https://news.example.org/unsubscribe/token{number}/",
    )


def readers(count):
    return [reader(number) for number in range(1, count + 1)]


def issue(**changes):
    return Message(
        **{
            "subject": "嵌入式AI简报 (2019-06-29)",
            "from_email": "report@news.example.com",
            "from_name": "嵌入式AI简报",
            "reply_to": "reply@news.example.com",
            "html": f'<p>你好，世界</p><a href="{PLACEHOLDER}">退订</a>',
            "text": f"你好，世界\n\n退订: {PLACEHOLDER}\n",
            "headers": issue_headers("jianbao", "嵌入式AI简报", "jianbao.news.example.com", "https://news.example.org"),
            "unsubscribe_placeholder": PLACEHOLDER,
            "custom_args": {"mailer_send": "12", "mailer_installation": "0c1d"},
            **changes,
        }
    )
