"""The arithmetic of the benchmark, not its figures: those belong to a machine."""

import json

import numpy as np
import pytest
from absl import flags


@pytest.fixture(scope='module')
def benchmark():
    """The module; its flags go again, as other commands have flags of the same names."""
    before = set(flags.FLAGS)
    from experiments import benchmark

    yield benchmark
    for name in set(flags.FLAGS) - before:
        delattr(flags.FLAGS, name)


def test_ratios_are_taken_within_a_round(benchmark):
    # The machine slows down by ten in the second round: the ratio does not notice, a ratio of medians would.
    seconds = {'ours': [2.0, 20.0, 2.2, 2.0], 'theirs': [1.0, 10.0, 1.0, 1.0]}
    assert benchmark.ratio(seconds, 'ours', 'theirs') == 2.0
    with pytest.raises(ValueError, match='zip'):
        benchmark.ratio({'a': [1.0], 'b': []}, 'a', 'b')


@pytest.mark.parametrize(
    ('figure', 'said'),
    [
        ({'value': 3.0}, ''),
        ({'value': 50.0, 'at_least': 50}, '>= 50: reached'),
        ({'value': 49.9, 'at_least': 50}, '>= 50: MISSED'),
        ({'value': 1.5, 'at_most': 1.5}, '<= 1.5: reached'),
        ({'value': 1.51, 'at_most': 1.5}, '<= 1.5: MISSED'),
    ],
)
def test_verdict(benchmark, figure, said):
    assert benchmark.verdict(figure) == said


def test_every_runner_runs_in_every_round(benchmark):
    calls = []
    runners = {name: (lambda steps, name=name: calls.append((name, steps)), 5) for name in ('a', 'b')}
    seconds = benchmark.time_rounds(runners, 3)
    assert calls == [('a', 2), ('b', 2), *[('a', 5), ('b', 5)] * 3]
    assert {name: len(values) for name, values in seconds.items()} == {'a': 3, 'b': 3}
    assert min(min(values) for values in seconds.values()) >= 0


def test_the_table_of_what_was_measured(benchmark, tmp_path):
    figures = {'images/s': {'value': 31_234.5}, 'share': {'value': 0.5, 'at_least': 0.65}}
    (tmp_path / 'benchmark-cpu.json').write_text(json.dumps({'device': 'cpu x1', 'figures': figures}))
    lines = benchmark.markdown(tmp_path).splitlines()
    assert lines[0] == 'On cpu x1:'
    assert lines[-1] == '| share | 0.5 | >= 0.65: MISSED |'
    assert len(lines) == 6


def test_what_is_timed_is_of_mnists_shape(benchmark):
    assert benchmark.images().shape == (20_000, 28, 28, 1)
    assert benchmark.images().dtype == np.uint8
    config = benchmark.ae_config('cae', 'closed')
    assert (config.model.latents, config.batch_size, config.loss, config.penalty_form) == (1000, 100, 'cross_entropy', 'closed')
    assert benchmark.vae_config().model.hidden == (500,)
