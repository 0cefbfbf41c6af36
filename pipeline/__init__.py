"""Coldstart: the R1 and Qwen3 post-training recipes as one pipeline.

``pipeline`` is the library, one folder for each concern; ``stages`` holds the mechanisms that recipes are made of.
Imports go one way: ``stages`` -> ``pipeline.*``; ``pipeline.runner`` and ``pipeline.artifacts`` import none of the
rest.
"""
