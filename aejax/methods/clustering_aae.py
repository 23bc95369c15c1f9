"""Adversarial autoencoder that clusters without labels: its code is one of K categories, and a style.

The category is a softmax whose distribution over the data an adversary draws to that of uniform one-hot vectors, the style is
drawn to p(z); the phases are those of an adversarial autoencoder with a discriminator for either. What the style, kept narrow or
noisy, cannot say of an image its category has to.

With `heads` the code is y W + z in d dimensions: K cluster heads, the rows of W, each with the images of its cluster around it.
That is how the source maps images to the plane. Heads closer than `head_distance` repel each other.

How good the clusters are is known where there are labels: `aejax.evaluation.clusters`.

Source: Makhzani et al. 2016, https://arxiv.org/abs/1511.05644, sections 5 and 6.
"""

from ml_collections import ConfigDict

from aejax.methods._categorical_aae import CategoricalCore, parts
from aejax.priors.shapes import Samples
from aejax.settings import check_ranges
from aejax.types import Array, DataSpec, Mutables, Params


class ClusteringAAE(CategoricalCore):
    """See the module."""

    def cluster_logits(self, params: Params, mutables: Mutables, x: Array) -> Array:
        """Logits of q(y given x) over K clusters, [B, K]."""
        return self.style_and_logits(params, x, None)[1]


def build(config: ConfigDict, spec: DataSpec, prior: Samples | None = None) -> ClusteringAAE:
    """The clustering adversarial autoencoder of `config`; `prior`, with `sample(key, num)`, stands in for that of the style.

    Raises:
        UserError: on fewer than two clusters, or as from `_categorical_aae.parts`.
    """
    check_ranges(config, {'clusters': (2, 100_000)})
    return ClusteringAAE(**parts(config, spec, config.clusters, prior))
