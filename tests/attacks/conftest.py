from tests.subscribers.conftest import clock as clock
from tests.subscribers.conftest import hints as hints
