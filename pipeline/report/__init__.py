"""The report: the ledger laid out for people. It reads a run folder, and nothing else."""
