"""Reports: figures, the study's page, the quality page, a person's page."""
