import pytest

from tests.support import compilation_cache_in


@pytest.fixture(scope='package', autouse=True)
def _programs_are_kept(tmp_path_factory):
    with compilation_cache_in(str(tmp_path_factory.mktemp('programs')), optimised=False):
        yield
