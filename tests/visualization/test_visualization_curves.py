import numpy as np
import pytest
from matplotlib.colors import to_hex

from aejax.types import UserError
from aejax.visualization import style
from aejax.visualization.curves import SPLIT_COLOURS, contraction_curve, jacobian_spectrum, learning_curves, measured_curve
from aejax.visualization.history import curves, panels, stage_starts


def row(epoch, split='train', stage='train', **metrics):
    return {'step': 10 * epoch, 'epoch': epoch, 'stage': stage, 'split': split, 'seconds': 0.5, **metrics}


def history(epochs=5, stage='train', start=1):
    rows = []
    for epoch in range(start, start + epochs):
        rows.append(
            row(epoch, stage=stage, **{'ae/gradient_norm': 3.0, 'ae/squared_error': 9.0 - epoch, 'ae/loss': 10.0 - epoch})
        )
        rows.append(row(epoch, 'validation', stage, squared_error=9.5 - epoch))
    return rows


def titles(figure):
    return [axes.get_title(loc='left') for axes in figure.axes]


def lines(axes):
    return {to_hex(line.get_color()): line.get_xydata() for line in axes.get_lines()}


def test_train_and_validation_of_one_metric_share_a_panel():
    figure = learning_curves(history())
    assert titles(figure) == ['loss (ae)', 'squared error (ae)', 'gradient norm (ae)']
    drawn = lines(figure.axes[1])
    np.testing.assert_array_equal(drawn[SPLIT_COLOURS['train']], [[e, 9.0 - e] for e in range(1, 6)])
    np.testing.assert_array_equal(drawn[SPLIT_COLOURS['validation']], [[e, 9.5 - e] for e in range(1, 6)])
    assert figure.axes[0].get_xlabel() == 'epoch'
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ['train', 'validation']
    assert style.png(figure)


def test_phases_with_a_metric_of_one_name_keep_panels_of_their_own():
    rows = [row(1, **{'generator/loss': 1.0, 'discriminator/loss': 2.0, 'generator/fooled': 0.5}), row(1, 'validation', loss=3.0)]
    names = [[(curve.name, curve.split) for curve in panel] for panel in panels(curves(rows))]
    assert names == [
        [('generator/loss', 'train'), ('loss', 'validation')],
        [('discriminator/loss', 'train')],
        [('generator/fooled', 'train')],
    ]


def test_many_metrics_keep_the_telling_ones_and_count_the_rest():
    rows = [row(e, **{f'a/metric_{i}': 1.0 for i in range(12)}, **{'a/gradient_norm': 1.0, 'a/loss': 1.0}) for e in (1, 2)]
    figure = learning_curves(rows, max_panels=4)
    assert titles(figure)[0] == 'loss (a)'
    assert len(figure.axes) == 4
    assert 'gradient norm (a)' not in titles(figure)
    assert figure.get_supxlabel() == '10 more in metrics.jsonl'


def test_stages_are_marked_and_lines_broken_between_them():
    rows = history(4, 'layer 1') + history(4, 'layer 2', start=5)
    assert stage_starts(rows) == [('layer 1', 0.0), ('layer 2', 4.0)]
    axes = learning_curves(rows).axes[1]
    curves_drawn = [line.get_xdata() for line in axes.get_lines() if len(line.get_xdata()) == 4]
    assert sorted(list(x) for x in curves_drawn) == [[1, 2, 3, 4], [1, 2, 3, 4], [5, 6, 7, 8], [5, 6, 7, 8]]
    assert [list(line.get_xdata()) for line in axes.get_lines() if line.get_linestyle() == ':'] == [[4.0, 4.0]]
    assert [text.get_text() for text in axes.texts] == ['layer 1', 'layer 2']
    # All on the axis, though the first stage began before the first row.
    assert [text.xy[0] for text in axes.texts] == [axes.get_xlim()[0], 4.0]
    assert not learning_curves(history()).axes[0].texts


@pytest.mark.parametrize('num', [5, 10, 19, 20])
def test_epochs_have_whole_ticks(num):
    rows = [row(epoch, **{'ae/loss': 2.0 + 0.1 * epoch}) for epoch in range(1, num + 1)]
    axes = learning_curves(rows).axes[0]
    np.testing.assert_array_equal(axes.get_xticks() % 1, 0)
    fractions = learning_curves([row(epoch / 10, **{'ae/loss': 2.0}) for epoch in range(1, 10)]).axes[0]
    assert len([tick for tick in fractions.get_xticks() if 0.1 <= tick <= 0.9]) > 2


def test_values_that_are_not_finite_are_said():
    rows = [row(1, **{'ae/loss': 1.0}), row(2, **{'ae/loss': float('nan')}), row(3, **{'ae/loss': None})]
    rows += [row(1, 'validation', loss=1.0), row(3, 'validation', loss=float('inf'))]
    axes = learning_curves(rows).axes[0]
    assert [text.get_text() for text in axes.texts] == ['not finite at epoch 2']
    np.testing.assert_array_equal(lines(axes)[SPLIT_COLOURS['train']][:, 1], [1.0, np.nan, np.nan])
    assert style.png(axes.figure)


def test_wide_ranges_are_logarithmic_and_steps_stand_in_for_epochs():
    rows = [{'step': s, 'ae/loss': 1000.0 / s, 'ae/kl': 5.0 - s} for s in (1, 3, 100)]
    loss, kl = learning_curves(rows).axes
    assert (loss.get_yscale(), kl.get_yscale()) == ('log', 'linear')
    assert loss.get_xlabel() == 'step'


@pytest.mark.parametrize('rows', [[], [row(1)], [row(1, note='text', members=[1.0, 2.0], flag=True, examples_per_second=9.0)]])
def test_no_metrics_is_one_clear_line(rows):
    with pytest.raises(UserError, match='no metrics'):
        learning_curves(rows)


def test_spectrum_is_logarithmic_with_bands_and_leaves_out_numerical_zeros():
    tail = np.full(7, 0.5)
    spectra = {'CAE': np.array([2.0, 0.1, 1e-12, *(0 * tail)]), 'AE': np.array([3.0, 2.0, 1.0, *tail])}
    (axes,) = jacobian_spectrum(spectra, {'AE': np.array([0.1, 0.1, 0.1, *(tail + 0.1)])}).axes
    assert axes.get_yscale() == 'log'
    assert axes.get_ylim()[0] == pytest.approx(3e-7)
    cae, ae = axes.get_lines()
    np.testing.assert_array_equal(cae.get_xdata(), np.arange(1, 11))
    np.testing.assert_array_equal(ae.get_ydata(), spectra['AE'])
    (band,) = axes.collections
    assert band.get_paths()[0].vertices[:, 1].min() == pytest.approx(0.9)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ['CAE', 'AE']
    assert style.png(axes.figure)


def test_a_spectrum_of_two_values_has_whole_indices_and_plain_ticks():
    (axes,) = jacobian_spectrum({'VAE': np.array([1.85, 1.1])}).axes
    style.png(axes.figure)
    assert all(tick == round(tick) for tick in axes.get_xticks())
    assert not [line for line in axes.get_lines() if line.get_linestyle() != 'None']
    (one,) = jacobian_spectrum({'VAE': np.array([1.85])}, {'VAE': np.array([0.1])}).axes
    assert list(one.get_xticks()) == [1]
    (bar,) = one.collections
    np.testing.assert_allclose(bar.get_segments()[0], [[1, 1.75], [1, 1.95]])
    assert not [text for text in axes.get_yticklabels(which='both') if 'mathdefault' in text.get_text()]
    assert style.png(jacobian_spectrum({'collapsed': np.zeros(4)}))


def test_contraction_curve_has_one_line_and_band_a_model():
    radii = np.linspace(0.1, 5.0, 7)
    (axes,) = contraction_curve({'CAE': (radii, 0.1 * radii, np.full(7, 0.05)), 'AE': (radii, np.ones(7), None)}).axes
    np.testing.assert_allclose(axes.get_lines()[0].get_xydata(), np.column_stack([radii, 0.1 * radii]))
    band = axes.collections[0].get_paths()[0].vertices
    assert band[:, 1].max() == pytest.approx(0.55)
    assert band[:, 1].min() == pytest.approx(-0.04)
    assert len(axes.collections) == 1
    assert axes.get_ylim()[0] == 0.0


@pytest.mark.parametrize('error', [None, np.full(7, 0.05)])
def test_a_flat_contraction_curve_keeps_its_markers_whole(error):
    (axes,) = contraction_curve({'AE': (np.linspace(0.1, 5.0, 7), np.full(7, 0.7), error)}).axes
    assert axes.get_ylim()[1] >= 1.08 * (0.7 if error is None else 0.75)
    assert style.png(contraction_curve({'AE': (np.linspace(0.1, 5.0, 7), np.zeros(7), None)}))


def test_distances_are_marked_in_the_contraction_curve():
    radii = np.linspace(0.1, 5.0, 7)
    figure = contraction_curve({'CAE': (radii, np.ones(7), None)}, {'nearest': 1.5, 'largest': 4.0})
    assert [list(line.get_xdata()) for line in figure.axes[0].get_lines()[1:]] == [[1.5, 1.5], [4.0, 4.0]]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ['CAE', 'nearest', 'largest']


def test_a_measured_curve_has_ticks_at_the_settings_and_a_band_of_one_standard_error():
    figure = measured_curve({'VAE': ([1000, 5000], [-120.0, -104.0], [0.5, 0.25])}, 'training images', 'bound, nats')
    (axes,) = figure.axes
    assert axes.get_xscale() == 'log'
    assert [label.get_text() for label in axes.get_xticklabels()] == ['1,000', '5,000']
    np.testing.assert_allclose(axes.get_lines()[0].get_xydata(), [[1000, -120.0], [5000, -104.0]])
    band = axes.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (-120.5, -103.75)
    assert axes.get_ylabel() == 'bound, nats'
