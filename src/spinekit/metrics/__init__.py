"""Measures of agreement between a prediction and a reference; one module per measure.

They know arrays and spacings, but no file, no anatomy and no scoring rule.
"""
