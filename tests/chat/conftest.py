"""What the tests of the chat room share."""

import pytest

from tests.chat.asking import asker


@pytest.fixture
def ask(tmp_path):
    """Function (url, **settings) -> client, see ``asking.asker``."""
    with asker(tmp_path / "answers") as build:
        yield build
