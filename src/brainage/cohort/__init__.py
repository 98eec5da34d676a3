"""The table of all scans, and the roles of people."""
