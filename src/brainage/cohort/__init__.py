"""Who: readers of data sets, the table of scans, the splits, the simulated cohort."""
