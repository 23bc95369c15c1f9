"""What is measured on trained models: likelihoods, Jacobians, subspaces, probes."""
