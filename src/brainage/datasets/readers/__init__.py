"""Readers of data sets: one module a layout, chosen by the key `kind` of a data set."""
