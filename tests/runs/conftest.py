import pytest

from aejax.runs.train import train
from experiments.configs import vae
from tests.commands import Commands
from tests.running import config, no_pictures


@pytest.fixture(scope='package')
def commands(tmp_path_factory, programs):
    return Commands(tmp_path_factory.mktemp('commands'), programs, optimised=True)


@pytest.fixture(scope='package')
def whole(tmp_path_factory):
    """The folder of a run of three epochs on two devices, left in peace, without figures."""
    folder = tmp_path_factory.mktemp('whole') / 'run'
    with no_pictures():
        train(config(vae, epochs=3, tensorboard=True), folder)
    return folder
