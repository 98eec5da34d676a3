"""The sections of the study's page: each module is one, with all that belongs to it."""
