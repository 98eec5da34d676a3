"""Representation learning: array store, encoders, losses, pretraining, embedding."""
