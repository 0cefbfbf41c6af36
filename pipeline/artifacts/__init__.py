"""Artifacts: folders that are complete or absent, never in between."""
