"""What a method can do as soon as its model encodes and decodes."""

from typing import Protocol

from aejax.types import Array, Mutables, Params


class EncoderDecoder(Protocol):
    """A model of parameters alone, as `aejax.models` has them."""

    def encode(self, params: Params, x: Array) -> Array:
        """h(x), [B, d]."""
        ...

    def decode(self, params: Params, z: Array) -> Array:
        """g(z), [B, ...]."""
        ...

    def filters(self, params: Params) -> Array | None:
        """The encoder's first kernel, [D, m]; None for convolutions."""
        ...


class Coding:
    """Abilities of a method whose `model` is an encoder and a decoder."""

    model: EncoderDecoder

    def encode(self, params: Params, mutables: Mutables, x: Array) -> Array:
        """The code h(x), [B, d]; of a stochastic encoder the mean of q(z given x)."""
        return self.model.encode(params, x)

    def decode(self, params: Params, mutables: Mutables, z: Array) -> Array:
        """g(z), [B, ...]; of a stochastic decoder the mean of p(x given z)."""
        return self.model.decode(params, z)

    def reconstruct(self, params: Params, mutables: Mutables, x: Array) -> Array:
        """g(h(x)), [B, ...]."""
        return self.decode(params, mutables, self.encode(params, mutables, x))

    def filters(self, params: Params, mutables: Mutables) -> Array | None:
        """The encoder's first kernel, [D, m]; None for convolutions."""
        return self.model.filters(params)
