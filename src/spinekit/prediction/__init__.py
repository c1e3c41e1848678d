"""Prediction: a normalised volume in, probabilities out."""
