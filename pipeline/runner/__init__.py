"""The runner: orders the graph, fingerprints, skips, resumes, locks, records. It knows nothing of language models."""
