"""Networks from a volume to a vector; each is a self-contained module.

``build(width, channels)`` of a module makes one with random weights, `width` being a factor on the
number of its feature maps and `channels` the images of each scan (2 with grey matter). It goes from
(n, channels, x, y, z) to (n, ``feature_size``) and has an attribute ``feature_size``. At width 1
``resnet18`` (33.16 M parameters), ``densenet121`` (11.24 M) and ``alexnet3d`` (2.55 M) are those of
the paper's code.
"""
