"""What a method can do as soon as its model encodes and decodes."""

from typing import Any

from aejax.types import Array, Mutables, Params


class Coding:
    """Abilities of a method whose `model` has encode, decode and filters.

    Attributes:
        model: of an encoder and a decoder.
    """

    model: Any

    def encode(self, params: Params, mutables: Mutables, x: Array) -> Array:
        """The code h(x), [B, d]; of a stochastic encoder the mean of q(z given x)."""
        code: Array = self.model.encode(params, x)
        return code

    def decode(self, params: Params, mutables: Mutables, z: Array) -> Array:
        """g(z), [B, ...]; of a stochastic decoder the mean of p(x given z)."""
        decoded: Array = self.model.decode(params, z)
        return decoded

    def reconstruct(self, params: Params, mutables: Mutables, x: Array) -> Array:
        """g(h(x)), [B, ...]."""
        return self.decode(params, mutables, self.encode(params, mutables, x))

    def filters(self, params: Params, mutables: Mutables) -> Array | None:
        """The encoder's first kernel, [D, m]; None for convolutions."""
        kernel: Array | None = self.model.filters(params)
        return kernel
