"""The mechanisms: one file each, few and general. What makes one of them "fusion" or "cold start" is the recipe."""
