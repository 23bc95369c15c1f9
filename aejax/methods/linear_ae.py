"""Linear autoencoder: an autoencoder without activations under squared error. It learns PCA's subspace, though not PCA's basis.

At the optimum the decoder's columns span the leading principal directions and the reconstruction is the projection on them; with
tied weights, x_hat = W W^T (x - m) + m, also W^T W = I.

Source: Baldi & Hornik 1989, https://doi.org/10.1016/0893-6080(89)90014-2.
"""

from ml_collections import ConfigDict

from aejax.methods.ae import AE, parts
from aejax.types import DataSpec, UserError


def build(config: ConfigDict, spec: DataSpec) -> AE:
    """The linear autoencoder of `config`.

    Raises:
        UserError: if the config asks for an activation, a hidden layer or a loss other than the squared error.
    """
    model = config.model
    linear = model.encoder == 'mlp' and not model.hidden and model.latent_activation == model.output == 'identity'
    if not linear or config.loss != 'squared_error':
        raise UserError(
            'linear_ae has no hidden layer, no activation and squared error: set model.hidden=(), '
            "model.latent_activation='identity', model.output='identity', loss='squared_error'; use method='ae' for anything else"
        )
    return AE(**parts(config, spec))
