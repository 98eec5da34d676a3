"""brainage: from raw T1w heads to brain-age reports."""

__version__ = "0.1.0"
