"""How to read each figure: heading and one sentence by file stem, in the order in which the figures tell the story."""

from aejax.visualization.words import plain

FIGURES: dict[str, tuple[str, str]] = {
    'reconstructions': (
        'Reconstructions',
        'Each example above what the model makes of it; the number below, where there is one, is its reconstruction error.',
    ),
    'reconstructions_of_points': (
        'Data and reconstruction',
        'Colour follows the data along its manifold: the reconstruction should keep the shape, and neighbours their colours.',
    ),
    'denoising': (
        'Denoising',
        'Clean examples, what the model was given, and what it made of that: noise should go and strokes should stay.',
    ),
    'samples': ('Samples', 'Drawn from the prior and decoded: each should look like data, and all together as varied.'),
    'manifold': (
        'Learned manifold',
        'The decoder over a regular grid of codes: neighbours should change smoothly into each other.',
    ),
    'interpolation': (
        'Interpolation',
        "Codes on a line between two examples, decoded: a good path stays on the data's manifold.",
    ),
    'traversals': (
        'Latent traversals',
        'One latent moves along each row while the others rest: one kind of change a row means separated factors.',
    ),
    'latent_map': (
        'Map of the latent space',
        'Each dot is an example at its code; examples alike should lie together, classes apart.',
    ),
    'filters': (
        'First-layer filters',
        'What each hidden unit looks at: red excites it, blue inhibits it. Strokes and spots have been learned; grain has not.',
    ),
    'jacobian_spectrum': (
        'Spectrum of the Jacobian',
        'Where few singular values are large and the rest fall steeply, the code answers to few directions of input space only.',
    ),
    'contraction_curve': (
        'Contraction around data',
        'How far a code moves a unit of its input, at growing distance from data: below 1 the encoder draws inputs together.',
    ),
    'learning_curves': (
        'Learning curves',
        'Training and validation over epochs: where validation turns up while training falls, the model overfits.',
    ),
}


def figure_words(stem: str) -> tuple[int, str, str]:
    """Place in the story, heading and caption of a figure; 'latent_map_epoch_10' is read as a kind of 'latent_map'."""
    fitting = [known for known in FIGURES if stem == known or stem.startswith((f'{known}_', f'{known}-'))]
    if not fitting:
        return len(FIGURES), plain(stem), ''
    known = max(fitting, key=len)
    rest = plain(stem[len(known) :]).lower()
    heading, caption = FIGURES[known]
    return list(FIGURES).index(known), f'{heading}: {rest}' if rest else heading, caption
