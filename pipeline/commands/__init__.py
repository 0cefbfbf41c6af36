"""The verbs beside ``run`` and ``plan``: one file each, settings, work and what is written."""
