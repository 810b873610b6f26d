"""A broker is verified unless its URL says otherwise, whatever kombu would do by itself."""

import ssl

import pytest

from mailer.config.brokers import read_broker
from mailer.config.environment import SettingError

REQUIRED, NONE = ssl.CERT_REQUIRED, ssl.CERT_NONE


@pytest.mark.parametrize(
    ("url", "tls"),
    [
        ("", None),
        ("redis://localhost:6379/0", None),
        ("redis+socket:///run/redis.sock", None),
        ("amqp://localhost//", None),
        ("rediss://example.com/0", {"ssl_cert_reqs": REQUIRED}),
        ("rediss://example.com/0?ssl_cert_reqs=required", {"ssl_cert_reqs": REQUIRED}),
        ("rediss://example.com/0?ssl_cert_reqs=none", {"ssl_cert_reqs": NONE}),
        ("rediss://example.com/0?ssl_cert_reqs=CERT_NONE", {"ssl_cert_reqs": NONE}),
        (
            "rediss://example.com/0?ssl_check_hostname=false",
            {"ssl_cert_reqs": REQUIRED, "ssl_check_hostname": False},
        ),
        ("amqps://example.com//", {"cert_reqs": REQUIRED, "server_hostname": None}),
        ("amqps://example.com//?ssl_cert_reqs=none", {"cert_reqs": NONE}),
    ],
)
def test_how_a_broker_is_verified(url, tls):
    broker = read_broker(url)
    assert broker.tls == tls
    assert broker.is_verified == (tls is None or NONE not in tls.values())
    assert "ssl_" not in broker.url


def test_tls_files_get_each_librarys_option_names_and_other_options_stay(tmp_path):
    file = tmp_path / "ca.pem"
    file.write_text("")
    given = f"?ssl_ca_certs={file}&health_check_interval=10"
    redis, amqp = read_broker(f"rediss://:secret@example.com/0{given}"), read_broker(f"amqps://example.com//{given}")
    assert redis.tls == {"ssl_cert_reqs": REQUIRED, "ssl_ca_certs": str(file)}
    assert amqp.tls == {"cert_reqs": REQUIRED, "server_hostname": None, "ca_certs": str(file)}
    assert redis.url == "rediss://:secret@example.com/0?health_check_interval=10"
    assert "secret" not in repr(redis)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://example.com", "not valid"),
        ("rediss://example.com?ssl_cert_reqs=maybe", "must be required or none"),
        ("rediss://example.com?ssl_ca_certs=/nowhere/ca.pem", "ssl_ca_certs is /nowhere/ca.pem, which cannot be read"),
        ("rediss://example.com?ssl_version=3", "ssl_version is unknown"),
    ],
)
def test_a_setting_that_cannot_be_meant_stops_the_start(url, words):
    with pytest.raises(SettingError, match=words):
        read_broker(url)
