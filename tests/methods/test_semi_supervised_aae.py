"""Semi-supervised adversarial autoencoder: which stream each phase sees, and real digits with few labels."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax import methods
from aejax.evaluation.per_example import make_evaluator
from aejax.runs.setup import make_source
from aejax.types import STREAMS, Context, UserError
from experiments.configs import semi_supervised_aae
from tests.support import at_once, digits, error_from_labels_alone, go_on, run, scaled

X, LABEL = jnp.asarray(scaled('train')[:30]), jnp.asarray(digits().split('train')['label'][:30])


def config(**changes):
    made = semi_supervised_aae.get_config()
    with made.unlocked():
        made.update_from_flattened_dict(changes)
    return made


def test_each_phase_sees_its_own_stream():
    changes = {f'{section}.hidden': (6,) for section in ('model', 'discriminator', 'category_discriminator')}
    method = methods.build(config(**changes), digits().spec)
    assert method.streams == STREAMS
    params, mutables = jax.jit(lambda key: method.init(key, {}))(jax.random.key(0))
    batch = {'labelled': {'x': X[:10], 'label': LABEL[:10]}, 'unlabelled': {'x': X[10:]}}
    other = {'labelled': batch['labelled'], 'unlabelled': {'x': X[10:] / 2}}
    for phase in method.stages[0].phases:

        @jax.jit
        def loss(batch, phase=phase):
            context = Context(key=jax.random.key(1), step=jnp.asarray(0), hparams={})
            return phase.loss(params, mutables, batch, context).loss

        assert bool(loss(batch) == loss(other)) == (phase.name == 'classification'), phase.name

    def look(params):
        context = Context(key=jax.random.key(1), step=jnp.asarray(0), hparams={})
        return method.class_logits(params, mutables, X[:10]), method.classification_loss(params, mutables, batch, context)

    logits, out = at_once(look, params)
    logits = logits.astype(np.float64)
    log_probability = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    nll = -log_probability[np.arange(10), np.asarray(LABEL[:10])]
    np.testing.assert_allclose(out.loss, nll.mean(), rtol=1e-4)


@pytest.fixture(scope='module')
def trained():
    made = config(epochs=60)
    method, source = methods.build(made, digits().spec), make_source(made, digits())
    return method, go_on(run(method, source, digits().spec, made.batch_size, log_every=1e9), -1)


def test_a_hundred_labels_go_further_with_unlabelled_digits(trained):
    method, state = trained
    test = digits().split('test')
    baseline = error_from_labels_alone(make_source(config(), digits()).data['labelled'], test)
    assert make_evaluator(method, digits().spec, test)(state)['classification_error'].mean() < baseline - 0.02


def test_the_class_asked_for_is_the_class_drawn(trained):
    """Judged by a classifier that real digits train; where the style says the class, too, it would be right by chance only."""
    from sklearn.linear_model import LogisticRegression

    method, state = trained
    split = digits().split('train')
    judge = LogisticRegression(max_iter=300).fit(split['x'].reshape(-1, 64) / 255, split['label'])
    label = np.arange(200) % 10
    drawn = at_once(method.conditional_sample, state.params, state.mutables, jax.random.key(0), label)
    assert np.mean(judge.predict(drawn.reshape(200, 64)) == label) > 0.6


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'data.num_labelled': 0}, 'set data.num_labelled to their number'),
        ({'finetune.target': 'classify'}, "set finetune.target='none'"),
    ],
)
def test_configs_that_cannot_be(changes, message):
    with pytest.raises(UserError, match=message):
        methods.build(config(**changes), digits().spec)


def test_data_without_classes_is_refused():
    with pytest.raises(UserError, match='semi_supervised_aae needs labels, and digits has none'):
        methods.build(config(), dataclasses.replace(digits().spec, num_classes=0))
