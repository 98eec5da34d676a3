"""What all packages agree on; it knows of none of them."""
