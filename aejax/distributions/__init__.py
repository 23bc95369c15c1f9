"""Densities and divergences as pure functions: log_prob, kl, entropy, sample. Nats per example."""
