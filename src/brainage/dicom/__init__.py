"""DICOM folders to BIDS folders."""
