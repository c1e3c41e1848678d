"""Loaders: packed cases to augmented batches."""
