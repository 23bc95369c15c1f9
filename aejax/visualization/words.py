"""Names in words: preprocessings, titles. A name that is missing here is shown as it is."""

from typing import Any

PREPROCESSING = {
    'scale': 'inputs scaled to [0, 1], not binarised',
    'dynamic_binarisation': 'inputs binarised anew at every use (dynamic binarisation)',
    'static_binarisation': 'inputs binarised once with a seed (static binarisation)',
    'centre': 'inputs centred by the training split, not binarised',
    'standardise': 'inputs standardised by the training split, not binarised',
    'whiten': 'inputs whitened by the training split',
    'whiten_low_pass': 'inputs contrast-normalised, whitened by the training split and low-passed',
    'raw': 'inputs as they are',
}


def plain(name: str) -> str:
    """'latent_map' as 'Latent map'."""
    words = name.replace('_', ' ').replace('-', ' ').strip()
    return words[:1].upper() + words[1:]


def run_title(config: Any, provenance: Any) -> str:
    """'cae on digits', as far as both are known."""
    method = (config.get('method') if isinstance(config, dict) else None) or 'A run'
    data = data_name(config, provenance)
    return f'{method} on {data}' if data else str(method)


def data_name(config: Any, provenance: Any) -> str:
    """The data set's name, from provenance.json or else config.json."""
    for source in (provenance, config):
        data = source.get('data') if isinstance(source, dict) else None
        name = data.get('name') if isinstance(data, dict) else data
        if name:
            return str(name)
    return ''
