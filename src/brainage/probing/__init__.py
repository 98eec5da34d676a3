"""Linear probes of age, site and diagnosis on the frozen representation."""
