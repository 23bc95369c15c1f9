"""What each figure shows and how to read it: heading and caption by file stem, in the order in which they tell the story."""

from typing import NamedTuple

from aejax.visualization.words import plain


class Subject(NamedTuple):
    """What the data is: `one` example ('image', 'point', 'example'), whether examples have classes, and true coordinates."""

    one: str = 'example'
    classes: bool = False
    coordinates: bool = False


UNKNOWN = Subject()
# `{one}` stands for an image, a point or an example, `{coloured}` for what the colour of a dot is, where it is something.
FIGURES: dict[str, tuple[str, str]] = {
    'reconstructions': (
        'Reconstructions',
        '{One}s of the test split over what the model makes of them. Above each, where it has one, its class; below, its squared '
        'error.',
    ),
    'denoising': (
        'Denoising',
        'Clean {one}s of the test split, what the model was given, and what it made of that; below, the squared error '
        'of the latter.',
    ),
    'samples': ('Samples', 'Drawn from the model: each should look like data, and all together as varied.'),
    'regenerated': (
        'Regenerated from the top',
        'In the first row {one}s of the test split. Below each, what the stack makes of its top code when every hidden layer on '
        'the way down is a draw: variations that keep what the code says.',
    ),
    'analogies': (
        'Analogies: style and class',
        'In the first column {one}s of the test split, one of each class (of ten at most). Beside each, its style with every '
        'class in turn: along a row the style should stay, down a column the class.',
    ),
    'progressions': (
        'Progressions along the attribute',
        'In the first column {one}s of the test split, one of each class. Beside each, the same at every level of the attribute: '
        'along a row the attribute should grow and all else stay.',
    ),
    'manifold': (
        'Learned manifold',
        'The decoder over a grid of codes, even in probability under the prior of each latent: neighbours should change smoothly '
        'into each other.',
    ),
    'latent_map': ('Map of the latent space', 'Each dot is one {one} of the test split at its code{coloured}.'),
    'codes_over_prior': (
        'Codes over their prior',
        'Each dot is one {one} of the test split at its code, or where that is random at a draw of it{coloured}; in grey '
        'beneath, draws of the prior: grey without dots is where the decoder is asked for {one}s that it never saw, dots without '
        'grey are codes that sampling never reaches.',
    ),
    'filters': (
        'First-layer filters',
        'Weights from the input to each unit of the first layer, each unit on a scale of its own: positive in red, negative in '
        'blue; for colour images, above and below grey in every channel.',
    ),
    'jacobian_spectrum': (
        'Spectrum of the Jacobian',
        'Mean singular values of the encoder\N{RIGHT SINGLE QUOTATION MARK}s Jacobian at {one}s of the test split, with one '
        'standard error: where few are large and the rest fall steeply, the code answers to few directions of input space only.',
    ),
    'contraction_curve': (
        'Contraction around data',
        'How far a code moves a unit of its input, on spheres of growing radius around {one}s of the validation split: below 1 '
        'the encoder draws inputs together. Upright lines: mean distance to the nearest neighbour, and largest distance, in a '
        'sample of the training {one}s.',
    ),
    'learning_curves': (
        'Learning curves',
        'Training and validation over epochs: where validation turns up while training falls, the model overfits.',
    ),
}
# Where the figure of this name looks otherwise.
OF_POINTS = {
    'reconstructions': (
        'Data and reconstruction',
        'Points of the test split{coloured}, beside what the model makes of them over a grey shadow of the data.',
    )
}


def figure_words(stem: str, subject: Subject = UNKNOWN) -> tuple[int, str, str]:
    """Place in the story, heading and caption of a figure; 'latent_map_epoch_10' is read as a kind of 'latent_map'."""
    fitting = [known for known in FIGURES if stem == known or stem.startswith((f'{known}_', f'{known}-'))]
    if not fitting:
        return len(FIGURES), plain(stem), ''
    known = max(fitting, key=len)
    rest = plain(stem[len(known) :]).lower()
    heading, caption = OF_POINTS.get(known, FIGURES[known]) if subject.one == 'point' else FIGURES[known]
    coloured = (
        ', coloured by class' if subject.classes else ', coloured by a true coordinate of the data' if subject.coordinates else ''
    )
    caption = caption.replace('{one}', subject.one).replace('{One}', subject.one.capitalize()).replace('{coloured}', coloured)
    return list(FIGURES).index(known), f'{heading}: {rest}' if rest else heading, caption
