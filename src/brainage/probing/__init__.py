"""What the representation knows: linear probes of age, site and diagnosis."""
