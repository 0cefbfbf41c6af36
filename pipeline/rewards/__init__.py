"""Rewards: plain functions of (completion, prompt), composed in YAML."""
