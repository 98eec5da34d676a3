"""Image processing: from a raw head to a brain on the template's grid, and its quality."""
