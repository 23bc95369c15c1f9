"""Fine-tuning: a last stage on top of any encoder, on real digits."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from aejax import methods
from aejax.evaluation.per_example import make_evaluator
from aejax.training import loop
from aejax.training.sources import Resident
from aejax.types import Context, DataSpec, UserError
from experiments.configs import ae, linear_ae, vae
from tests.support import digits, go_on, run


def config_of(module, target='classify', epochs=20, rate=3e-3):
    config = module.get_config('')
    config.epochs, config.model.latents = epochs, 8
    config.finetune.target, config.finetune.epochs = target, epochs
    config.finetune.optimizer.name, config.finetune.optimizer.learning_rate = 'adam', rate
    return config


@functools.cache
def trained(module):
    config = config_of(module)
    dataset = digits(config.data.preprocessing)
    method, source = methods.build(config, dataset.spec), Resident(dataset.split('train'), config.batch_size)
    return method, dataset, run(method, source, dataset.spec, config.batch_size, log_every=1e9)


@pytest.mark.parametrize('module', [ae, vae])
def test_a_code_of_any_encoder_learns_to_tell_digits_apart(module):
    method, dataset, intervals = trained(module)
    evaluate = make_evaluator(method, dataset.spec, dataset.split('test'))
    before, after = (evaluate(go_on(intervals, index)) for index in (0, -1))
    assert [interval.about.stage for interval in intervals] == ['train', 'finetune']
    assert before['classification_error'].mean() > 0.6, 'nothing is known yet'
    np.testing.assert_allclose(before['classification_nll'], np.log(10), rtol=0.05)
    assert after['classification_error'].mean() < 0.25
    assert method.selection == ('classification_error', 'min')


def test_fine_tuning_moves_encoder_and_classifier_and_leaves_the_decoder():
    _, _, intervals = trained(ae)
    before, after = (intervals[index].state['params'] for index in (0, -1))
    moved = {name for name in before if not np.array_equal(*(jax.tree.leaves(tree[name])[-1] for tree in (before, after)))}
    assert moved == {'encoder', 'classifier'}


def test_the_loss_is_the_mean_log_loss_of_a_softmax_on_the_code():
    method, dataset, intervals = trained(ae)
    state, test = go_on(intervals, -1), dataset.split('test')
    batch = {'x': jnp.asarray(test['x'][:50], jnp.float32) / 255, 'label': jnp.asarray(test['label'][:50])}
    context = Context(key=jax.random.key(0), step=state.step, hparams=state.hparams)
    code, classifier = jax.jit(method.encode)(state.params, {}, batch['x']), state.params['classifier']
    log_p = scipy.special.log_softmax(
        np.asarray(code) @ np.asarray(classifier['kernel']) + np.asarray(classifier['bias']), axis=1
    )
    expected = -np.mean(log_p[np.arange(50), test['label'][:50]])
    np.testing.assert_allclose(jax.jit(method.classify_loss)(state.params, {}, batch, context).loss, expected, rtol=1e-5)


def test_a_method_keeps_the_abilities_that_still_hold():
    method, dataset, intervals = trained(vae)
    metrics = make_evaluator(method, dataset.spec, dataset.split('validation'))(go_on(intervals, -1))
    assert {'elbo', 'kl', 'classification_error'} <= set(metrics)
    x = jnp.zeros((2, *dataset.spec.shape))
    assert jax.eval_shape(lambda params: method.encode(params, {}, x), go_on(intervals, -1).params).shape == (2, 8)
    assert not hasattr(method, 'sample'), 'the encoder has left its decoder behind'
    probe = methods.build(config_of(vae, 'probe'), dataset.spec)
    sample = jax.jit(lambda params: probe.sample(params, {}, jax.random.key(0), 3))
    assert sample(go_on(intervals, 0).params).shape == (3, *dataset.spec.shape)
    assert not hasattr(methods.build(config_of(ae, 'probe'), dataset.spec), 'posterior')


def test_each_phase_may_have_a_learning_rate_of_its_own():
    dataset = digits()
    method, source = methods.build(config_of(ae, epochs=1), dataset.spec), Resident(dataset.split('train'), 100)
    state = loop.initial_state(method, source, dataset.spec, 0)
    state = state.replace(hparams={**state.hparams, 'learning_rate': 1e-3, 'classify/learning_rate': 0.0})
    begin, end = (interval.state['params'] for interval in run(method, source, dataset.spec, 100, state=state, log_every=1e9))
    np.testing.assert_array_equal(begin['encoder']['layer_0']['kernel'], end['encoder']['layer_0']['kernel'])


@pytest.mark.parametrize(
    ('module', 'target', 'spec', 'message'),
    [
        (ae, 'clasify', {}, "finetune.target is 'clasify'; choose one of none, classify, probe, reconstruct"),
        (ae, 'classify', {'num_classes': 0}, "finetune.target='classify' needs labels, and digits has none"),
        (vae, 'reconstruct', {}, "finetune.target='reconstruct' needs an autoencoder's loss of reconstruction, which method vae"),
    ],
)
def test_what_cannot_be_is_one_line(module, target, spec, message):
    fields = {'name': 'digits', 'shape': (8, 8, 1), 'num_classes': 10, 'num_examples': 1297, **spec}
    with pytest.raises(UserError, match=message.replace('(', r'\(')):
        methods.build(config_of(module, target), DataSpec(**fields))


def test_its_epochs_are_told_by_their_full_name():
    config = config_of(ae)
    config.finetune.epochs = 0
    with pytest.raises(UserError, match=r'^finetune\.epochs=0 must'):
        methods.build(config, digits().spec)


def test_a_setting_of_its_optimiser_is_told_by_its_section():
    config = config_of(ae, rate=-1.0)
    with pytest.raises(UserError, match=r'^finetune\.optimizer\.learning_rate=-1\.0 must be'):
        methods.build(config, digits().spec)


def test_a_probe_leaves_the_codes_as_they_are_and_reads_them_once():
    config = config_of(ae, 'probe', epochs=10, rate=3e-2)
    dataset = digits()
    method, source = methods.build(config, dataset.spec), Resident(dataset.split('train'), config.batch_size)
    intervals = run(method, source, dataset.spec, config.batch_size, log_every=1e9)
    before, after = (intervals[index].state['params'] for index in (0, -1))
    for name in ('encoder', 'decoder'):
        assert all(np.array_equal(*pair) for pair in zip(*(jax.tree.leaves(tree[name]) for tree in (before, after)), strict=True))
    errors = make_evaluator(method, dataset.spec, dataset.split('test'))(go_on(intervals, -1))['classification_error']
    assert errors.mean() < 0.25
    moved = method.stages[-1].inputs(after, {'x': jnp.asarray(dataset.split('test')['x'][:5], jnp.float32) / 255})
    assert moved['x'].shape == (5, 8)


def test_unrolling_a_linear_autoencoder_is_more_of_the_same():
    config = config_of(linear_ae, 'reconstruct', epochs=2)
    dataset = digits()
    method, source = methods.build(config, dataset.spec), Resident(dataset.split('train'), config.batch_size)
    intervals = run(method, source, dataset.spec, config.batch_size, log_every=1e9)
    evaluate = make_evaluator(method, dataset.spec, dataset.split('test'))
    errors = [evaluate(go_on(intervals, index))['squared_error'].mean() for index in (0, -1)]
    assert errors[1] < 0.95 * errors[0]
