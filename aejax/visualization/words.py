"""Names in words: methods, preprocessings, titles. A name that is missing here is shown as it is."""

from typing import Any

METHODS = {
    'ae': 'Autoencoder',
    'linear_ae': 'Linear autoencoder',
    'sparse_ae': 'Sparse autoencoder',
    'l1_ae': 'Sparse autoencoder (L1)',
    'k_sparse_ae': 'k-sparse autoencoder',
    'kl_sparse_ae': 'Sparse autoencoder (KL)',
    'dae': 'Denoising autoencoder',
    'stacked_ae': 'Stacked autoencoder',
    'stacked_dae': 'Stacked denoising autoencoder',
    'scae': 'Stochastic contractive autoencoder',
    'cae': 'Contractive autoencoder',
    'rbm': 'Restricted Boltzmann machine',
    'vae': 'Variational autoencoder',
    'cvae': 'Conditional variational autoencoder',
    'm1': 'Semi-supervised model M1',
    'm2': 'Semi-supervised model M2',
    'm1m2': 'Semi-supervised model M1+M2',
    'gan': 'Generative adversarial network',
    'aae': 'Adversarial autoencoder',
    'vae_gan': 'VAE-GAN',
    'caae': 'Conditional adversarial autoencoder',
}

PREPROCESSING = {
    'scale': 'inputs scaled to [0, 1], not binarised',
    'dynamic_binarisation': 'inputs binarised anew at every use (dynamic binarisation)',
    'static_binarisation': 'inputs binarised once with a seed (static binarisation)',
    'standardise': 'inputs standardised to zero mean and unit variance on the training split, not binarised',
}


def plain(name: str) -> str:
    """'latent_map' as 'Latent map'."""
    words = name.replace('_', ' ').replace('-', ' ').strip()
    return words[:1].upper() + words[1:]


def method_title(config: Any, provenance: Any) -> str:
    """'Contractive autoencoder on digits', as far as both are known."""
    method = config.get('method', '') if isinstance(config, dict) else ''
    name = METHODS.get(str(method), str(method)) or 'A run'
    data = data_name(config, provenance)
    return f'{name} on {data}' if data else name


def data_name(config: Any, provenance: Any) -> str:
    """The data set's name, from provenance.json or else config.json."""
    for source in (provenance, config):
        data = source.get('data') if isinstance(source, dict) else None
        name = data.get('name') if isinstance(data, dict) else data
        if name:
            return str(name)
    return ''
