"""Densities of the code, p(z): log_prob and sample as pure functions. Nats per example."""
