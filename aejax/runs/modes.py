"""What can be done with a run that was trained: evaluate it again, and sample from it."""

import io
import pathlib
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from aejax.files import write_bytes, write_json
from aejax.runs.console import Console, metrics_table
from aejax.runs.ending import EVALUATION_SEED, final_figures, final_likelihood
from aejax.runs.folder import PROVENANCE, SAMPLES, differences, plain, read_config, read_object
from aejax.runs.likelihood import likelihood_table
from aejax.runs.loading import load
from aejax.runs.sampling import final_samples, sample_tables
from aejax.runs.setup import Folders, load_data
from aejax.types import UserError


def evaluate(workdir: pathlib.Path, split: str, checkpoint: str, where: Folders, console: Console) -> dict[str, Any]:
    """Per-example metrics of a checkpoint over a split, as a table and in evaluation-SPLIT.json.

    Raises:
        UserError: if there is no such run or checkpoint, or the data is not what it was trained on.
    """
    model = load(workdir, checkpoint)
    dataset = load_data(model.config, where)
    if dataset.spec != model.spec:
        raise UserError(f'{workdir} was trained on {model.spec}, but the data is now {dataset.spec}')
    stored = read_object(workdir / PROVENANCE)['data'].get('fingerprint')
    if stored != dataset.fingerprint:
        raise UserError(f'the {dataset.spec.name} data is not what {workdir} was trained on: its fingerprint differs')
    metrics = final_figures(model.method, dataset, model.state, split)
    likelihood = final_likelihood(model.method, dataset, model.state, split, model.config, console.say)
    samples = final_samples(model.method, dataset, model.state, split, model.config, EVALUATION_SEED, console.say)
    about = {'split': split, 'checkpoint': model.checkpoint, 'fingerprint': dataset.fingerprint}
    result = {**about, 'metrics': metrics, **likelihood, **samples}
    console.say(metrics_table(f'{split} metric', metrics))
    if likelihood:
        console.say('\n' + likelihood_table(split, likelihood['likelihood']))
    for text in sample_tables(split, samples):
        console.say('\n' + text)
    # Last: what was computed is there to read even where it cannot be written.
    console.say(f'\nwritten: {write_json(workdir / f"evaluation-{split}.json", result)}')
    return result


def note_config(workdir: pathlib.Path, given: ConfigDict, console: Console) -> None:
    """Says so where the config given is not the one that `workdir` was trained with, which is the one that counts."""
    if changed := differences(read_config(workdir), plain(given)):
        console.say(f'note: {workdir} was trained with another config, and that is used ({"; ".join(changed[:3])})')


def sample(workdir: pathlib.Path, num: int, seed: int, checkpoint: str, console: Console) -> pathlib.Path:
    """`num` samples of a checkpoint, in samples/: an array (.npy) and, of images, a picture.

    Raises:
        UserError: if there is no such run or checkpoint, or the method cannot sample.
    """
    from aejax.visualization import images
    from aejax.visualization.style import save

    model = load(workdir, checkpoint)
    values = model.sample(num, seed)
    stem = workdir / SAMPLES / f'step-{model.checkpoint}-seed-{seed}-num-{num}'
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    write_bytes(stem.with_suffix('.npy'), buffer.getvalue())
    if model.spec.is_image:
        save(images.image_grid(values), stem.with_suffix('.png'))
    console.say(f'{num} samples: {stem}.npy' + (f' and {stem}.png' if model.spec.is_image else ''))
    return stem
