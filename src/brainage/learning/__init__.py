"""The representation: array store, encoders, losses, pretraining, embedding."""
