"""Losses and penalties as pure functions of arrays, one value per example; the caller reduces."""
