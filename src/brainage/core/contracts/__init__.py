"""The tables that the packages exchange: columns, units, allowed values and keys.

Rooms never import each other. What one leaves behind and the next picks up is written down here,
a module for each room that makes it; :mod:`brainage.core.tables` reads and writes it,
:mod:`brainage.core.derivatives` has the names of images.
"""
