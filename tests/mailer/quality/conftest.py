from collections.abc import Iterator

import pytest

from tests.mailer.quality.glass import Glass
from tests.parts import chromium, skip_without


@pytest.fixture(scope="session")
def glass() -> Iterator[Glass]:
    program = chromium()
    if program is None:
        skip_without("browser")
    glass = Glass(program)
    yield glass
    glass.close()


@pytest.fixture
def _an_installation(transactional_db):
    """Create the link keys that a real installation makes at its first start."""
    from tests.installing import an_installation

    an_installation()
