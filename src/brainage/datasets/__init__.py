"""Reading data sets: the scans of each, as its own tables and folders say."""
