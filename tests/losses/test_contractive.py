"""The contractive penalty: every exact form against jacfwd, in value and in gradient, and against finite differences."""

import functools
import itertools

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits

from aejax.losses import contractive, jacobian_forms
from aejax.types import UserError
from tests.support import at_once

ACTIVATIONS = {
    'sigmoid': jax.nn.sigmoid,
    'tanh': jnp.tanh,
    'relu': jax.nn.relu,
    'softplus': jax.nn.softplus,
    'linear': jax.nn.identity,
    'swish': jax.nn.swish,
}
ENCODERS = [
    ((64, 30), ('sigmoid',)),
    ((64, 100), ('relu',)),
    ((64, 40, 5), ('sigmoid', 'sigmoid')),
    ((64, 80, 10), ('tanh', 'linear')),
    ((64, 20, 30, 8), ('softplus', 'relu', 'tanh')),
    ((64, 20, 30, 25, 70), ('sigmoid', 'swish', 'tanh', 'linear')),
]


def digits(num: int) -> np.ndarray:
    return (load_digits().data[:num] / 16).astype(np.float32)


def make_layers(sizes: tuple[int, ...], seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [
        (rng.normal(0, m**-0.5, (m, n)).astype(np.float32), rng.normal(0, 0.5, n).astype(np.float32))
        for m, n in itertools.pairwise(sizes)
    ]


def encode(layers, activations, x):
    """Of one example."""
    for (weight, bias), activation in zip(layers, activations, strict=True):
        x = activation(x @ weight + bias)
    return x


def forms_of(sizes, names):
    return jacobian_forms.count_multiply_adds(sizes, 7, names[-1] == 'linear')


@pytest.mark.parametrize(('sizes', 'names'), ENCODERS)
def test_value_and_gradient_equal_the_reference(sizes, names):
    activations = [ACTIVATIONS[name] for name in names]
    example_weights = np.arange(1, 8, dtype=np.float32)  # a plain sum could hide that examples are mixed up

    def differentiated(penalty_of):
        def loss(layers, x):
            penalty = penalty_of(layers, x)
            return jnp.sum(example_weights * penalty), penalty

        return jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)

    def by_form(form):
        return differentiated(lambda layers, x: contractive.jacobian_penalty(layers, activations, x, form)[0])

    def reference(layers, x):
        return contractive.jacobian_penalty_reference(functools.partial(encode, layers, activations), x)

    functions = [differentiated(reference), *map(by_form, forms_of(sizes, names))]
    (expected, *found) = at_once(lambda *args: [function(*args) for function in functions], make_layers(sizes), digits(7))
    for (_, penalty), gradient in found:
        np.testing.assert_allclose(penalty, expected[0][1], rtol=1e-5)
        for got, want in zip(jax.tree.leaves(gradient), jax.tree.leaves(expected[1]), strict=True):
            assert np.linalg.norm(got - want) <= 1e-5 * np.linalg.norm(want)


@hypothesis.settings(max_examples=5, deadline=None, derandomize=True, database=None)
@hypothesis.given(
    sizes=st.lists(st.integers(1, 9), min_size=2, max_size=5),
    names=st.lists(st.sampled_from(sorted(ACTIVATIONS)), min_size=4, max_size=4),
    batch=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_every_form_of_any_network(sizes, names, batch, seed):
    names = names[: len(sizes) - 1]
    activations = [ACTIVATIONS[name] for name in names]

    def every_form(layers, x):
        one = functools.partial(encode, layers, activations)
        forms = ('auto', *forms_of(sizes, names))
        found = [contractive.jacobian_penalty(layers, activations, x, form) for form in forms]
        return contractive.jacobian_penalty_reference(one, x), jax.vmap(one)(x), found

    x = np.random.default_rng(seed).normal(size=(batch, sizes[0])).astype(np.float32)
    expected_penalty, expected_code, found = at_once(every_form, make_layers(sizes, seed), x)
    for penalty, code in found:
        np.testing.assert_allclose(penalty, expected_penalty, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(code, expected_code, rtol=1e-5, atol=1e-6)


def test_reference_equals_finite_differences():
    layers, activations, x = make_layers((64, 12, 5)), [jnp.tanh, jax.nn.sigmoid], digits(3)
    step = 1e-5
    with jax.enable_x64(True):
        layers, x = jax.tree.map(lambda leaf: leaf.astype(np.float64), (layers, x))
        one = functools.partial(encode, layers, activations)
        moved = jax.vmap(jax.vmap(one))  # [3, 2 * 64, 64] -> [3, 2 * 64, 5]
        steps = step * np.concatenate([np.eye(64), -np.eye(64)])
        codes = at_once(moved, x[:, None, :] + steps[None])
        expected = np.sum(np.square((codes[:, :64] - codes[:, 64:]) / (2 * step)), axis=(1, 2))
        closed, _ = at_once(lambda layers, x: contractive.jacobian_penalty(layers, activations, x), layers, x)
        reference = at_once(lambda x: contractive.jacobian_penalty_reference(one, x), x)
        np.testing.assert_allclose(closed, expected, rtol=1e-8)
        np.testing.assert_allclose(reference, expected, rtol=1e-8)


def test_one_sigmoid_layer_is_the_formula_of_the_paper():
    layers, x = make_layers((64, 30)), digits(5)
    penalty, h = at_once(lambda layers, x: contractive.jacobian_penalty(layers, [jax.nn.sigmoid], x), layers, x)
    [(weight, _)] = layers
    expected = [sum((h[b, j] * (1 - h[b, j])) ** 2 * np.sum(weight[:, j] ** 2) for j in range(30)) for b in range(5)]
    np.testing.assert_allclose(penalty, np.asarray(expected), rtol=1e-5)


@pytest.mark.parametrize('code_size', [9, 90])
def test_autodiff_takes_any_shape(code_size):
    layers, x = make_layers((64, code_size)), digits(4)
    [(weight, bias)] = layers

    def one(example):
        return jnp.tanh(example.reshape(-1) @ weight + bias).reshape(3, -1)

    penalty = at_once(functools.partial(contractive.jacobian_penalty_autodiff, one), x.reshape(4, 8, 8, 1))
    expected, _ = at_once(lambda layers, x: contractive.jacobian_penalty(layers, [jnp.tanh], x), layers, x)
    np.testing.assert_allclose(penalty, expected, rtol=1e-5)


@pytest.mark.parametrize(('code_size', 'dearer'), [(9, 'jacfwd'), (90, 'jacrev')])
def test_autodiff_takes_the_cheaper_mode(monkeypatch, code_size, dearer):
    monkeypatch.delattr(jax, dearer)
    jacobian = contractive.cheaper_jacobian(lambda example: jnp.tile(example, 2)[:code_size], (64,))
    np.testing.assert_array_equal(at_once(jacobian, digits(1)[0]), np.tile(np.eye(64), (2, 1))[:code_size])


@pytest.mark.parametrize('name', sorted(ACTIVATIONS))
def test_the_change_of_one_layers_jacobian_equals_that_of_two_jacobians(name):
    layers, activation, x = make_layers((64, 30)), ACTIVATIONS[name], digits(14)

    def of(change):
        return jax.value_and_grad(lambda *args: jnp.arange(1.0, 8.0) @ change(*args), argnums=(0, 1, 2))

    def by_jacobians(layers, x, moved):
        jacobian = jax.vmap(jax.jacfwd(functools.partial(encode, layers, [activation])))
        return jnp.sum(jnp.square(jacobian(x) - jacobian(moved)), axis=(1, 2))

    found = at_once(of(lambda *args: contractive.jacobian_change(args[0], [activation], *args[1:])), layers, x[:7], x[7:])
    expected = at_once(of(by_jacobians), layers, x[:7], x[7:])
    for got, want in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(('sizes', 'names'), [((6, 5), ('sigmoid',)), ((6, 8, 3), ('tanh', 'sigmoid'))])
def test_over_the_variance_the_change_of_the_jacobian_tends_to_the_norm_of_the_hessian(sizes, names):
    layers, activations = make_layers(sizes), [ACTIVATIONS[name] for name in names]
    x = digits(4)[:, 18:24]
    hessians = at_once(jax.vmap(jax.hessian(functools.partial(encode, layers, activations))), x)
    expected = np.sum(np.square(hessians), axis=(1, 2, 3))

    def changes(std, noise, layers, x):
        return jax.vmap(lambda eps: contractive.jacobian_change(layers, activations, x, x + std * eps))(noise) / std**2

    noise = jax.random.normal(jax.random.key(0), (20_000, *x.shape))
    far, near = (at_once(changes, std, noise, layers, x).astype(np.float64) for std in (1.0, 0.01))
    assert np.mean(np.abs(far.mean(axis=0) / expected - 1)) > 0.1
    assert np.all(np.abs(near.mean(axis=0) - expected) < 4 * near.std(axis=0) / np.sqrt(len(noise)))


def test_the_choice_is_the_measured_fastest():
    # Measured on two cores at batch 100, value and gradient; see the counts' docstring.
    assert jacobian_forms.choose_form((784, 1000), 100) == 'closed'
    assert jacobian_forms.choose_form((784, 500, 20), 100) == 'gram'
    assert jacobian_forms.choose_form((784, 1000, 50), 100, linear_code=True) == 'hadamard'
    assert jacobian_forms.choose_form((64, 100, 100, 10), 100) == 'reverse'
    assert jacobian_forms.choose_form((784, 1000, 1000), 100) == 'gram'
    assert jacobian_forms.choose_form((8, 100, 100), 100) == 'forward'


def test_identity_is_recognised():
    assert contractive.is_identity(jax.nn.identity)
    assert contractive.is_identity(lambda a: a)
    assert not contractive.is_identity(lambda a: 2 * a)
    assert not contractive.is_identity(jax.nn.sigmoid)


@pytest.mark.parametrize(('sizes', 'form'), [((4, 3, 2), 'closed'), ((4, 3), 'gram'), ((4, 3, 2), 'hadamard'), ((4, 3), 'fast')])
def test_a_form_that_does_not_exist_is_refused(sizes, form):
    activations = [jax.nn.sigmoid] * (len(sizes) - 1)

    def penalty(layers, x):
        return contractive.jacobian_penalty(layers, activations, x, form)

    with pytest.raises(UserError, match=f"penalty form '{form}' does not exist"):
        jax.eval_shape(penalty, make_layers(sizes), np.ones((2, 4), np.float32))


def test_shapes_are_checked():
    with pytest.raises(AssertionError):
        contractive.jacobian_penalty(make_layers((4, 3)), [jnp.tanh], np.ones((2, 5)))
    with pytest.raises(ValueError, match='zip'):
        contractive.jacobian_penalty(make_layers((4, 3)), [jnp.tanh] * 2, np.ones((2, 4)))
    with pytest.raises(ValueError, match='too many'):
        contractive.jacobian_change(make_layers((4, 3)), [jnp.tanh] * 2, np.ones((2, 4)), np.ones((2, 4)))
    with pytest.raises(AssertionError):
        contractive.jacobian_change(make_layers((4, 3)), [jnp.tanh], np.ones((2, 4)), np.ones((1, 4)))
