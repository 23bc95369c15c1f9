"""From values as stored to values as models see them: the last step, taken on the device inside the compiled program."""

import jax
import jax.numpy as jnp

from aejax.types import Array, Batch, DataSpec, Key


def to_model_space(x: Array, spec: DataSpec, key: Key) -> Array:
    """Stored examples [B, ...] (uint8 or float32) as float32 model inputs.

    uint8 is scaled to [0, 1]; with 'dynamic_binarisation' every pixel is then a fresh draw from Bernoulli(x), so that no two
    uses of an image agree (Salakhutdinov & Murray 2008, https://doi.org/10.1145/1390156.1390266). Floats pass unchanged: what
    needs statistics of the training split (standardisation) or one seeded draw (static binarisation) was done when loading.
    """
    values = x.astype(jnp.float32) / 255.0 if x.dtype == jnp.uint8 else x
    if spec.preprocessing == 'dynamic_binarisation':
        return jax.random.bernoulli(key, values).astype(jnp.float32)
    return values


def prepare(batch: Batch, spec: DataSpec, key: Key) -> Batch:
    """`batch` with its 'x' in model space, all else as it was; of a batch of streams ('labelled', 'unlabelled'), each one so."""
    if 'x' in batch:
        return {**batch, 'x': to_model_space(batch['x'], spec, key)}
    keys = jax.random.split(key, len(batch))
    return {name: prepare(batch[name], spec, stream_key) for name, stream_key in zip(sorted(batch), keys, strict=True)}
