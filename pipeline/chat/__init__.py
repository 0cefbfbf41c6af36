"""The chat contract: template, modes, the think block, and which tokens are trained on. The same in every stage."""
