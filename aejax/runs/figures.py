"""The pictures of a run: what a method can do decides which there are, never its name."""

import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from aejax import preprocessing
from aejax.data import Dataset
from aejax.evaluation import distances, jacobian
from aejax.runs.codes import draw_codes
from aejax.runs.sampling import progressions
from aejax.spread import spread
from aejax.types import Array, Method, TrainState, UserError
from aejax.visualization import curves, images, latents
from aejax.visualization.style import save

# Enough examples to see, few enough to draw in seconds.
NUM_SHOWN, NUM_COLUMNS, NUM_SCATTERED, NUM_JACOBIANS, NUM_COMPARED, NUM_RADII = 20, 10, 2_000, 100, 1_000, 20
NUM_OF_PRIOR = 5_000
LARGEST_JACOBIAN = 2_000_000
DRAWN = (
    'reconstructions',
    'denoising',
    'samples',
    'regenerated',
    'analogies',
    'progressions',
    'manifold',
    'latent_map',
    'codes_over_prior',
    'filters',
    'jacobian_spectrum',
    'contraction_curve',
)


class Pictures:
    """Draws for one trained method; each function returns a matplotlib figure, or None where the method cannot."""

    def __init__(self, method: Method, dataset: Dataset, state: TrainState):
        """Takes the test split, prepared as in evaluation, and its codes."""
        self.method, self.dataset, self.state = method, dataset, state
        split = dataset.split('test')
        rows = np.arange(min(NUM_SCATTERED, len(split['x'])))
        batch = preprocessing.prepare({'x': jax.numpy.asarray(split['x'][rows])}, dataset.spec, jax.random.key(0))
        self.x = np.asarray(batch['x'])
        self.label = split['label'][rows] if 'label' in split else None
        self.coordinates = split['coordinates'][rows] if 'coordinates' in split else None
        # Grey values of a decoder that overshoots are cut, so that grids of different models compare.
        self.limits = (0.0, 1.0) if dataset.spec.is_unit_interval else None
        self.codes = self.call('encode', self.x) if hasattr(method, 'encode') else None

    def some(self, split: str, num: int) -> Array:
        """At most `num` inputs from all over a split, in model space."""
        x = self.dataset.split(split)['x']
        return preprocessing.to_model_space(jax.numpy.asarray(x[spread(len(x), num)]), self.dataset.spec, jax.random.key(2))

    def call(self, capability: str, *arguments: Any, static: Sequence[int] = ()) -> np.ndarray:
        """A capability of the method, compiled, as numpy."""
        function = jax.jit(getattr(self.method, capability), static_argnums=tuple(2 + i for i in static))
        return np.asarray(function(self.state.params, self.state.mutables, *arguments))

    def encode(self, x: Array) -> Array:
        """h(x) as a pure function of a batch."""
        return self.method.encode(self.state.params, self.state.mutables, x)  # type: ignore[attr-defined]

    def reconstructions(self) -> Any:
        """Inputs beside what comes back."""
        if not hasattr(self.method, 'reconstruct'):
            return None
        if not self.dataset.spec.is_image:
            colour = None if self.coordinates is None else self.coordinates[:, 0]
            return images.reconstructions_of_points(self.x, self.call('reconstruct', self.x), colour)
        x = self.x[:NUM_SHOWN]
        back = self.call('reconstruct', x)
        errors = np.sum((x - back) ** 2, axis=(1, 2, 3))
        return images.reconstructions(x, back, None if self.label is None else self.label[:NUM_SHOWN], errors)

    def denoising(self) -> Any:
        """Images, the same corrupted, and what the model makes of those."""
        if not (hasattr(self.method, 'corrupt') and hasattr(self.method, 'denoise') and self.dataset.spec.is_image):
            return None
        x = self.x[:NUM_SHOWN]
        noisy = self.call('corrupt', jax.random.key(4), x)
        clean = self.call('denoise', noisy)
        errors = np.sum((x - clean) ** 2, axis=(1, 2, 3))
        return images.reconstructions(x, clean, None if self.label is None else self.label[:NUM_SHOWN], errors, corrupted=noisy)

    def filters(self) -> Any:
        """Weights from the image to each unit of the first layer."""
        if not hasattr(self.method, 'filters') or not self.dataset.spec.is_image:
            return None
        kernel = self.method.filters(self.state.params, self.state.mutables)
        return None if kernel is None else images.filters(np.asarray(kernel), self.dataset.spec.shape)

    def latent_map(self) -> Any:
        """Codes of the test split, or their plane of largest variance."""
        if self.codes is None:
            return None
        plane, names = latents.project_to_plane(self.codes.reshape(len(self.codes), -1))
        values = self.coordinates[:, 0] if self.label is None and self.coordinates is not None else None
        return latents.latent_map(plane, self.label, values, axis_labels=names, value_name='first true coordinate')

    def codes_over_prior(self) -> Any:
        """Codes of the test split in the plane, over as many draws of the prior as make its shape plain.

        It is draws from q(z given x) that the prior holds for: their means are narrower than it.
        """
        if not hasattr(self.method, 'sample_prior') or self.codes is None or self.codes.shape[1] != 2:
            return None
        codes = draw_codes(self.method, self.dataset, self.state, 'test')[: len(self.x)]
        drawn = self.call('sample_prior', jax.random.key(5), NUM_OF_PRIOR, static=[1])
        return latents.latent_map(codes, self.label, under=drawn)

    def manifold(self) -> Any:
        """What the decoder makes of a grid over a 2-D latent space, which lies where the prior does."""
        if not (hasattr(self.method, 'sample_prior') and hasattr(self.method, 'decode') and self.dataset.spec.is_image):
            return None
        if self.codes is None or self.codes.shape[1] != 2:
            return None
        grid = latents.manifold_grid_points(20)
        if not self._is_standard_normal(grid):
            grid = latents.manifold_grid_points(20, draws=self.call('sample_prior', jax.random.key(5), 10_000, static=[1]))
        return images.image_grid(self.call('decode', jax.numpy.asarray(grid)), columns=20, limits=self.limits)

    def _is_standard_normal(self, grid: np.ndarray) -> bool:
        """Whether the prior's density at z [n, 2] is that of N(0, I); a prior that has none is not."""
        if not hasattr(self.method, 'prior_log_prob'):
            return False
        normal = -0.5 * np.sum(grid**2, axis=1) - np.log(2 * np.pi)
        return np.allclose(self.call('prior_log_prob', jax.numpy.asarray(grid)), normal, atol=1e-3)

    def samples(self) -> Any:
        """Means of p(x given z) for z from the prior."""
        if not hasattr(self.method, 'sample') or not self.dataset.spec.is_image:
            return None
        return images.image_grid(self.call('sample', jax.random.key(1), 100, static=[1]), columns=10, limits=self.limits)

    def regenerated(self) -> Any:
        """The first test images, and below each what the hidden layers make of it when they are drawn."""
        if not hasattr(self.method, 'regenerate') or not self.dataset.spec.is_image:
            return None
        x = self.x[:NUM_COLUMNS]
        drawn = [self.call('regenerate', jax.random.key(seed), x) for seed in range(NUM_COLUMNS - 1)]
        return images.image_grid(np.concatenate([x, *drawn]), columns=NUM_COLUMNS, limits=self.limits)

    def analogies(self) -> Any:
        """Test images, one of each class (of ten at most), and the style of each with every class."""
        if not hasattr(self.method, 'conditional_decode') or not self.dataset.spec.is_image or self.label is None:
            return None
        first = np.unique(self.label, return_index=True)[1][:NUM_COLUMNS]
        x, classes = self.x[first], np.arange(self.dataset.spec.num_classes, dtype=np.int32)[:NUM_COLUMNS]
        styles = self.call('conditional_encode', x, self.label[first])
        pairs = np.repeat(styles, len(classes), axis=0), np.tile(classes, len(x))
        drawn = self.call('conditional_decode', *pairs).reshape(len(x), len(classes), *x.shape[1:])
        grid = np.concatenate([x[:, None], drawn], axis=1).reshape(-1, *x.shape[1:])
        return images.image_grid(grid, columns=1 + len(classes), limits=self.limits)

    def progressions(self) -> Any:
        """Test images, one of each class, and each at every level of the attribute."""
        if not hasattr(self.method, 'attribute_decode') or not self.dataset.spec.is_image or self.label is None:
            return None
        x = self.x[np.unique(self.label, return_index=True)[1][:NUM_COLUMNS]]
        drawn = progressions(self.method, self.state, x, self.dataset.spec.num_levels)
        grid = np.concatenate([x[:, None], drawn], axis=1).reshape(-1, *x.shape[1:])
        return images.image_grid(grid, columns=1 + drawn.shape[1], limits=self.limits)

    def _small_jacobian(self) -> bool:
        return self.codes is not None and self.x[0].size * self.codes[0].size <= LARGEST_JACOBIAN

    def jacobian_spectrum(self) -> Any:
        """Mean singular values of the encoder's Jacobian on test examples."""
        if not self._small_jacobian():
            return None
        spectrum = jacobian.mean_spectrum(self.encode, self.x[:NUM_JACOBIANS])
        return curves.jacobian_spectrum({'encoder': spectrum['mean']}, {'encoder': spectrum['standard_error']})

    def contraction_curve(self) -> Any:
        """How far codes move when validation points move, by distance: up to beyond the largest between training examples."""
        if self.codes is None:
            return None
        between = distances.between_examples(self.some('train', NUM_COMPARED))
        radii = between.radii(NUM_RADII)
        curve = jacobian.contraction_curve(self.encode, self.some('validation', NUM_JACOBIANS), radii, jax.random.key(3))
        marks = {'mean nearest neighbour': between.nearest, 'largest distance': between.largest}
        return curves.contraction_curve({'encoder': (radii, curve['mean'], curve['standard_error'])}, marks)


def write_figures(
    folder: pathlib.Path,
    method: Method,
    dataset: Dataset,
    state: TrainState,
    rows: Sequence[Mapping[str, Any]],
    warn: Callable[[str], None],
) -> None:
    """Draws all that the method can show into `folder`, as PNG."""
    pictures = Pictures(method, dataset, state)
    drawers: dict[str, Callable[[], Any]] = {name: getattr(pictures, name) for name in DRAWN}
    if rows:
        drawers['learning_curves'] = lambda: curves.learning_curves(rows)
    for name, draw in drawers.items():
        # The figures of a run are worth more than any one picture of it: what cannot be drawn is said, and left out.
        try:
            figure = draw()
        except (UserError, ValueError) as error:
            warn(f'no {name} picture: {error}')
            continue
        if figure is not None:
            save(figure, folder / f'{name}.png')
