"""How fast it trains, as ratios taken in one process: to the matrix products it cannot do without, and between systems.

    python -m experiments.benchmark [--rounds=N] [--output=FILE] [--startup=false]
    python -m experiments.benchmark --table     README's table, from experiments/results

Everything is timed in turn, round after round, so that a machine that changes its speed changes it for all. Each figure is the
median over rounds; each ratio is the median of the ratios within a round. Images are noise of MNIST's shape: no operation here
depends on their values.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from ml_collections import ConfigDict

from aejax import methods
from aejax.data.labels import split_labels
from aejax.files import write_json
from aejax.runs import provenance
from aejax.runs.console import table
from aejax.runs.setup import sizes_of
from aejax.training import loop
from aejax.training import state as states
from aejax.training.parallel import make_placement
from aejax.training.sources import Resident
from aejax.types import Array, DataSpec
from experiments import adversarial_speed, cli
from experiments.configs import ae, cae, dae, m2, stacked_ae, vae
from experiments.likelihood_speed import decoder_matmul_runner, likelihood_runner
from experiments.torch_vae import torch_runner

_ROUNDS = flags.DEFINE_integer('rounds', 15, 'how many times everything is timed', lower_bound=1)
_OUTPUT = flags.DEFINE_string('output', None, 'where the JSON goes (default experiments/results/benchmark-PLATFORM.json)')
_TABLE = flags.DEFINE_bool('table', False, "print README's table from what was measured before")
_STARTUP = flags.DEFINE_bool('startup', True, 'time starts of the main job, cold and warm, too')

SPEC = DataSpec('noise of the shape of mnist', (28, 28, 1), 'scale', num_classes=10, num_examples=20_000)
Runner = Callable[[int], None]
"""Takes a number of training steps and comes back when they are done."""


def images() -> np.ndarray:
    """uint8 images of MNIST's shape."""
    return np.random.default_rng(0).integers(0, 256, (SPEC.num_examples, *SPEC.shape), dtype=np.uint8)


def vae_config() -> ConfigDict:
    """784-500-20, batch 128, as in configs/vae.py:mnist."""
    return vae.get_config('mnist')


def ae_config(method: str, form: str = 'auto') -> ConfigDict:
    """784-1000 sigmoid, tied, batch 100: the AE of the contractive AE's comparison, or that with the penalty in `form`."""
    config = (cae if method == 'cae' else ae).get_config('mnist')
    config.loss = 'cross_entropy'
    config.model = cae.get_config('mnist').model
    config.batch_size = 100
    if method == 'cae':
        config.penalty_form = form
    return config


def m2_config(gradient: str, num_labelled: int) -> ConfigDict:
    """The semi-supervised model of ten classes with the widths, the activation and the batch of `vae_config`.

    That many labelled images a step are beside those.
    """
    config, model = m2.get_config('mnist'), vae_config().model
    config.gradient = gradient
    config.model.hidden, config.model.latents, config.model.activation = model.hidden, model.latents, model.activation
    config.classifier_hidden, config.batch_size = model.hidden, vae_config().batch_size
    config.data.labelled_batch_size = num_labelled
    return config


def training_data(config: ConfigDict) -> Mapping[str, Any]:
    """Images, or the two streams of a config with few labels; those are noise, too."""
    if not config.data.num_labelled:
        return {'x': images()}
    label = np.arange(SPEC.num_examples, dtype=np.int32) % SPEC.num_classes
    return split_labels({'x': images(), 'label': label}, config.data.num_labelled, 0, SPEC.num_classes)


def method_runner(config: ConfigDict, stage_index: int = 0) -> Runner:
    """The very program that a run executes in one of its stages: shuffle, gather, scale, forward, backward, update."""
    method = methods.build(config, SPEC)
    source = Resident(training_data(config), config.batch_size, stream_sizes=sizes_of(config))
    stage, placement = method.stages[stage_index], make_placement('jit', config.batch_size, stream_sizes=source.stream_sizes)
    state = states.begin_stage(loop.initial_state(method, source, SPEC, 0), stage)
    staged, prepare = source.mapped(stage, state.params, _prepare, jax.random.key(0))
    program = placement.compile(stage, config.batch_size, prepare, staged)
    data, held = placement.place(staged.data), [placement.place(state)]

    def run(steps: int) -> None:
        # From step 0 every time: a call may not cross the end of an epoch.
        state = held[0].replace(step=placement.place(np.int32(0)))
        held[0], sums = program(state, data, np.int32(0), np.int32(steps))
        jax.block_until_ready(sums)

    return run


def stack_config() -> ConfigDict:
    """784-1000-1000-1000, denoising layers, batch 100, as in configs/stacked_ae.py:mnist, without fine-tuning."""
    config = stacked_ae.get_config('mnist')
    config.finetune.target = 'none'
    return config


def _prepare(batch: Mapping[str, Array], key: Array) -> Mapping[str, Array]:
    from aejax import preprocessing

    return preprocessing.prepare(batch, SPEC, key)


def matmul_runner(batch_size: int, layers: list[tuple[int, int]]) -> Runner:
    """The matrix products of a forward and backward pass through dense `layers`, and nothing else.

    For each layer x W, x^T g and, but for the first, g W^T: what no implementation can leave out.
    """
    keys = iter(jax.random.split(jax.random.key(0), 3 * len(layers)))
    operands = [
        (
            jax.random.normal(next(keys), (batch_size, n)),
            jax.random.normal(next(keys), (n, m)),
            jax.random.normal(next(keys), (batch_size, m)),
        )
        for n, m in layers
    ]

    def products(operands: Any) -> list[Array]:
        results = []
        for i, (x, w, g) in enumerate(operands):
            results += [x @ w, x.T @ g] + ([g @ w.T] if i else [])
        return results

    def body(i: Array, results: list[Array]) -> list[Array]:
        # The barrier ties the operands to the counter: else they are constants of the loop, and their products leave it.
        return products(jax.lax.optimization_barrier((operands, i))[0])

    run_all = jax.jit(lambda steps: jax.lax.fori_loop(0, steps, body, products(operands)))

    def run(steps: int) -> None:
        jax.block_until_ready(run_all(steps))

    return run


def time_rounds(runners: Mapping[str, tuple[Runner, int]], rounds: int) -> dict[str, list[float]]:
    """Seconds a step of every runner, in every round; each is warmed up first."""
    for run, _ in runners.values():
        run(2)
    seconds: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(rounds):
        for name, (run, steps) in runners.items():
            began = time.perf_counter()
            run(steps)
            seconds[name].append((time.perf_counter() - began) / steps)
    return seconds


def ratio(seconds: Mapping[str, list[float]], over: str, under: str) -> float:
    """Median over rounds of time(over) / time(under)."""
    return statistics.median(a / b for a, b in zip(seconds[over], seconds[under], strict=True))


def startup_seconds() -> dict[str, float]:
    """From the start of `experiments.run` to its first step: with an empty compilation cache, and again with a filled one."""
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for name in ('cold', 'warm'):
            workdir = pathlib.Path(folder) / name
            command = [sys.executable, '-m', 'experiments.run', '--config=configs/cae.py', f'--workdir={workdir}']
            environment = {**os.environ, 'JAX_COMPILATION_CACHE_DIR': f'{folder}/cache'}
            began = time.perf_counter()
            subprocess.run(command, env=environment, cwd=cli.HERE.parent, check=True, capture_output=True)
            found[f'{name}_main_job'] = time.perf_counter() - began
            found[f'{name}_first_step'] = json.loads((workdir / 'summary.json').read_text())['seconds_to_first_step']
    return found


def make_runners() -> dict[str, tuple[Runner, int]]:
    """What is timed, by name, and the steps that a round takes of it; PyTorch's VAE where PyTorch is installed."""
    runners: dict[str, tuple[Runner, int]] = {
        'vae': (method_runner(vae_config()), 150),
        'm2': (method_runner(m2_config('exact', 32)), 30),
        'm2_sampled': (method_runner(m2_config('sampled', 32)), 50),
        'm2_as_many': (method_runner(m2_config('sampled', 128)), 50),
        'vae_matmuls': (matmul_runner(128, [(784, 500), (500, 40), (20, 500), (500, 784)]), 150),
        'likelihood': (likelihood_runner(SPEC), 1),
        'likelihood_matmuls': (decoder_matmul_runner(SPEC), 1),
        'ae': (method_runner(ae_config('ae')), 100),
        'ae_matmuls': (matmul_runner(100, [(784, 1000), (1000, 784)]), 100),
        'dae': (method_runner(dae.get_config('mnist')), 100),
        **{f'stack_{k}': (method_runner(stack_config(), k), 100) for k in range(3)},
        'stack_matmuls': (matmul_runner(100, [(1000, 1000), (1000, 1000)]), 100),
        'aae': (method_runner(adversarial_speed.config()), 30),
        'aae_matmuls': (adversarial_speed.adversarial_matmul_runner(), 30),
        'cae_closed': (method_runner(ae_config('cae', 'closed')), 100),
        'cae_jacfwd': (method_runner(ae_config('cae', 'jacfwd')), 2),
        'penalty_closed': (penalty_runner('closed'), 100),
        'penalty_jacfwd': (penalty_runner('jacfwd'), 2),
    }
    torch = torch_runner(images(), batch_size=128)
    if torch is not None:
        runners['vae_torch'] = (torch, 100)
    return runners


def measure(rounds: int) -> tuple[dict[str, list[float]], dict[str, dict[str, Any]]]:
    """Seconds a step by name, and the figures with what they ought to reach."""
    seconds = time_rounds(make_runners(), rounds)
    # A pass over the data with each of the three layers: the lowest takes images, the others codes.
    seconds['stack'] = [sum(times) for times in zip(*(seconds.pop(f'stack_{k}') for k in range(3)), strict=True)]
    seconds['stack_matmuls'] = [a + 2 * b for a, b in zip(seconds['ae_matmuls'], seconds['stack_matmuls'], strict=True)]
    return seconds, figures_of(seconds)


def figures_of(seconds: Mapping[str, list[float]]) -> dict[str, dict[str, Any]]:
    """'value' of every figure of the table, with 'at_least' or 'at_most' where there is a target."""
    figures = {
        'VAE 784-500-20: images/s': {'value': 128 / statistics.median(seconds['vae'])},
        'VAE: share of the matmul limit': {'value': ratio(seconds, 'vae_matmuls', 'vae'), 'at_least': 0.65},
        'M2 step of ten classes, 32 of 128 labelled / VAE step, gradient from all': {'value': ratio(seconds, 'm2', 'vae')},
        'the same, gradient from one': {'value': ratio(seconds, 'm2_sampled', 'vae'), 'at_most': 4},
        'the same, as many labelled images as others': {'value': ratio(seconds, 'm2_as_many', 'vae')},
        'log p(x) from 5,000 samples: share of the matmul limit': {
            'value': ratio(seconds, 'likelihood_matmuls', 'likelihood'),
            'at_least': 0.5,
        },
        'AE 784-1000 tied: images/s': {'value': 100 / statistics.median(seconds['ae'])},
        'AE: share of the matmul limit': {'value': ratio(seconds, 'ae_matmuls', 'ae')},
        "CAE: images/s over the AE's": {'value': ratio(seconds, 'ae', 'cae_closed'), 'at_least': 0.5},
        'DAE step / AE step, masking': {'value': ratio(seconds, 'dae', 'ae')},
        'pretraining 784-1000-1000-1000: share of the matmul limit': {
            'value': ratio(seconds, 'stack_matmuls', 'stack'),
            'at_least': 0.5,
        },
        'adversarial AE 784-1000-1000-8: share of the matmul limit of its three phases': {
            'value': ratio(seconds, 'aae_matmuls', 'aae'),
            'at_least': 0.5,
        },
        'CAE step / AE step, closed form': {'value': ratio(seconds, 'cae_closed', 'ae'), 'at_most': 1.5},
        'CAE step / AE step, jacfwd': {'value': ratio(seconds, 'cae_jacfwd', 'ae')},
        'penalty and gradient: jacfwd / closed form': {
            'value': ratio(seconds, 'penalty_jacfwd', 'penalty_closed'),
            'at_least': 50,
        },
    }
    if 'vae_torch' in seconds:
        figures['VAE: PyTorch step / ours'] = {'value': ratio(seconds, 'vae_torch', 'vae')}
    return figures


def penalty_runner(form: str) -> Runner:
    """Value and gradient of the contractive penalty alone, 784-1000 sigmoid, batch 100."""
    method = methods.build(ae_config('cae', form), SPEC)
    x = jax.random.uniform(jax.random.key(0), (100, *SPEC.shape))
    params, _ = method.init(jax.random.key(1), {'x': x})

    def body(i: Array, params: Any) -> Any:
        gradient = jax.grad(lambda params: jnp.mean(method.penalised_code(params, x)[0]))(params)  # type: ignore[attr-defined]
        return jax.tree.map(lambda p, g: p - 1e-6 * g, params, gradient)

    run_all = jax.jit(lambda params, steps: jax.lax.fori_loop(0, steps, body, params))

    def run(steps: int) -> None:
        jax.block_until_ready(run_all(params, steps))

    return run


def shown(value: float) -> str:
    """Three digits that count, and no powers of ten."""
    return f'{value:,.0f}' if value >= 100 else f'{value:.3g}'


def verdict(figure: Mapping[str, Any]) -> str:
    """'' without a target, else whether it was reached."""
    if 'at_least' in figure:
        return f'>= {figure["at_least"]:g}: ' + ('reached' if figure['value'] >= figure['at_least'] else 'MISSED')
    if 'at_most' in figure:
        return f'<= {figure["at_most"]:g}: ' + ('reached' if figure['value'] <= figure['at_most'] else 'MISSED')
    return ''


def markdown(folder: pathlib.Path) -> str:
    """README's table: a block for each benchmark-*.json in `folder`."""
    blocks = []
    for path in sorted(folder.glob('benchmark-*.json')):
        stored = json.loads(path.read_text(encoding='utf-8'))
        rows = [f'| {name} | {shown(figure["value"])} | {verdict(figure)} |' for name, figure in stored['figures'].items()]
        blocks.append('\n'.join((f'On {stored["device"]}:', '', '| figure | value | target |', '| --- | --- | --- |', *rows)))
    return '\n\n'.join(blocks)


def _versions() -> dict[str, str]:
    """Those of a run, and PyTorch's where it was timed."""
    torch = sys.modules.get('torch')
    return {**provenance.versions(), **({'torch': str(torch.__version__)} if torch else {})}


def main() -> None:
    """Measures, prints, writes."""
    if _TABLE.value:
        print(markdown(cli.HERE / 'results'))
        return
    cli.configure_jax()
    seconds, figures = measure(_ROUNDS.value)
    if _STARTUP.value:
        found = startup_seconds()
        figures['main job: seconds to the first step, cold'] = {'value': found['cold_first_step']}
        figures['main job: seconds to the first step, warm'] = {'value': found['warm_first_step'], 'at_most': 8}
        figures['main job: seconds, warm'] = {'value': found['warm_main_job']}
    print(table(['figure', 'value', 'target'], [[name, shown(f['value']), verdict(f)] for name, f in figures.items()]))
    steps = {name: {'median': statistics.median(s), 'lowest': min(s), 'highest': max(s)} for name, s in seconds.items()}
    where = {'device': provenance.device(), 'versions': _versions(), 'git': provenance.git_state()}
    path = pathlib.Path(_OUTPUT.value or cli.HERE / 'results' / f'benchmark-{jax.default_backend()}.json')
    write_json(path, {'rounds': _ROUNDS.value, 'figures': figures, 'seconds_per_step': steps, **where})
    print(f'\nwritten: {path}')


if __name__ == '__main__':
    cli.run(main)
