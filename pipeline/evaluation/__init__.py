"""What a model can do, in figures that can be recomputed from the completions beside them."""
