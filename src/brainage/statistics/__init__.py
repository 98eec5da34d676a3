"""Statistics: brain-age gap, groups, ROC analysis, longitudinal models."""
