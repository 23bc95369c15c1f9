import pytest

from aejax.runs.train import train
from experiments.configs import vae
from tests.commands import Commands
from tests.running import config, no_pictures
from tests.support import compilation_cache_in


@pytest.fixture(scope='package', autouse=True)
def _programs_are_kept(tmp_path_factory):
    with compilation_cache_in(str(tmp_path_factory.mktemp('programs')), optimised=False):
        yield


@pytest.fixture(scope='package')
def commands(tmp_path_factory):
    return Commands(tmp_path_factory.mktemp('commands'), tmp_path_factory.getbasetemp() / 'programs-of-commands', optimised=True)


@pytest.fixture(scope='package')
def whole(tmp_path_factory, _programs_are_kept):
    """The folder of a run of three epochs on two devices, left in peace, without figures."""
    folder = tmp_path_factory.mktemp('whole') / 'run'
    with no_pictures():
        train(config(vae, epochs=3, tensorboard=True), folder)
    return folder
