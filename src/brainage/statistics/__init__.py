"""What it means: brain-age gap, groups, ROC, longitudinal models."""
