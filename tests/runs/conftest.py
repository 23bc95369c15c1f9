import pytest

from tests.commands import Commands
from tests.support import compilation_cache_in


@pytest.fixture(scope='package', autouse=True)
def _programs_are_kept(tmp_path_factory):
    with compilation_cache_in(str(tmp_path_factory.mktemp('programs'))):
        yield


@pytest.fixture(scope='package')
def commands(tmp_path_factory):
    return Commands(tmp_path_factory.mktemp('commands'))
