"""Rollouts: one batched KV-cache loop with a thinking budget, for RL, sampling, selection and evaluation alike."""
