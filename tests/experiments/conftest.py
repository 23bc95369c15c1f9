import pytest

from tests.commands import Commands


@pytest.fixture(scope='package')
def commands(tmp_path_factory, programs):
    return Commands(tmp_path_factory.mktemp('commands'), programs, optimised=False)
