"""Quality measures, each a choice, under the names that MRIQC gives them where it has them.

MRIQC (Esteban et al. 2017, PLoS ONE 12:e0184661; https://mriqc.readthedocs.io, "IQMs for
structural images") measures on the scan's own voxels; so does this, before bias correction for
what concerns the whole frame (EFC, FBER) and after it for what concerns tissues.
"""
