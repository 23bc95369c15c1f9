"""Flax modules and the pure functions round them; no losses in here."""
