"""How wrong class logits are."""

import jax.numpy as jnp
import optax

from aejax.types import Array


def classification(logits: Array, label: Array) -> dict[str, Array]:
    """classification_nll, -log p(y given x) in nats, and classification_error, 1 where the likeliest class is wrong; each [B].

    Args:
        logits: [B, classes], log p(y given x) but for a constant an example.
        label: y, [B], whole numbers from 0 on.
    """
    wrong = (jnp.argmax(logits, axis=-1) != label).astype(jnp.float32)
    return {
        'classification_nll': optax.softmax_cross_entropy_with_integer_labels(logits, label),
        'classification_error': wrong,
    }
