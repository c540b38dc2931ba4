"""The words for fits that left nothing behind."""

FAILED = ("failed", "killed")
"""Statuses of a cell without a model: it raised, or its process died."""
