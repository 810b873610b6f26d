import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mailer.providers.answers import Accepted
from mailer.providers.current import current_provider
from tests.mailer.providers.sendgrid.letters import request
from tests.stand_in import StandIn


def test_without_a_key_a_rehearsal_of_this_process_takes_the_mail(settings, tmp_path):
    settings.HOME = tmp_path
    assert isinstance(current_provider().post(request(1)), Accepted)
    assert (tmp_path / "rehearsals" / "12" / "0001.eml").exists()


def test_all_threads_share_one_client(settings, tmp_path):
    settings.HOME = tmp_path
    together = threading.Barrier(8, timeout=60)

    def ask(_):
        together.wait()
        return current_provider()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(8)))) == 1


def test_with_a_key_the_configured_provider_takes_it(settings):
    with StandIn() as api:
        settings.SENDGRID_API_KEY, settings.SENDGRID_API_URL = api.key, api.url
        assert isinstance(current_provider().post(request(1)), Accepted)
        assert len(api.accepted) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_rehearses_on_its_own(settings, tmp_path):
    settings.HOME = tmp_path
    current_provider().post(request(1))
    child = os.fork()
    if not child:
        status = 1
        try:
            status = 0 if isinstance(current_provider().post(request(1)), Accepted) else 1
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert len((tmp_path / "rehearsals" / "12" / "accepted.jsonl").read_bytes().splitlines()) == 2
