"""Vocabulary of the package: grids, volumes, geometry, intensity and errors.

Knows no file, no network and no spine.
"""
