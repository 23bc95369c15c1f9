"""Arrays to figures, and a run's folder to one page that tells its story.

Every function here takes NumPy (or JAX) arrays and gives a `matplotlib.figure.Figure` made without pyplot; `save` writes it.
"""

from aejax.visualization.curves import contraction_curve, jacobian_spectrum, learning_curves
from aejax.visualization.images import filters, image_grid, reconstructions, reconstructions_of_points
from aejax.visualization.latents import latent_map, manifold_grid_points, project_to_plane
from aejax.visualization.style import save

__all__ = [
    'contraction_curve',
    'filters',
    'image_grid',
    'jacobian_spectrum',
    'latent_map',
    'learning_curves',
    'manifold_grid_points',
    'project_to_plane',
    'reconstructions',
    'reconstructions_of_points',
    'save',
]
