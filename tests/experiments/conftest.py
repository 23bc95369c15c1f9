import pytest

from tests.commands import Commands


@pytest.fixture(scope='package')
def commands(tmp_path_factory):
    return Commands(tmp_path_factory.mktemp('commands'), tmp_path_factory.getbasetemp() / 'programs-of-commands', optimised=False)
