"""One config an experiment: `get_config(variant)`; no variant means the embedded digits, done in seconds."""
