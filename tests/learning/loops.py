"""The losses once more, as plain float64 loops written from their formulas."""

import math
import sys

from brainage.core import choices
from brainage.learning.losses.threshold import MAX_RATIO
from brainage.learning.model import LOSSES


def kernel(difference, name, bandwidth):
    if name == "rbf":
        return math.exp(-(difference**2) / (2 * bandwidth**2))
    return 1 / (1 + (difference / bandwidth) ** 2)


def pairs(features, ages, temperature, name, bandwidth, least=sys.float_info.min):
    """Similarities and weights as lists of lists of floats, from the definition.

    A weight under `least` is 0, as the module says.
    """
    z = [
        [value / (math.sqrt(sum(v * v for v in row)) or 1.0) for value in row]
        for row in features.tolist()
    ]
    n = range(len(z))
    ages = ages.tolist()
    s = [[sum(a * b for a, b in zip(z[i], z[k], strict=True)) / temperature for k in n] for i in n]
    w = [[kernel(ages[i] - ages[k], name, bandwidth) for k in n] for i in n]
    return s, [[value if value >= least else 0.0 for value in row] for row in w]


def mean(values):
    return sum(values) / len(values) if values else 0.0


def log_sum(exponents):
    """log of the sum of e^x, the largest taken out: e^-1000 is 0 for a computer."""
    most = max(exponents)
    return most + math.log(sum(math.exp(x - most) for x in exponents))


def loop_exp(s, w, form="paper", temperature=0.1):
    anchors = []
    for i in range(len(s)):
        others = [t for t in range(len(s)) if t != i]
        total = sum(w[i][t] for t in others)
        terms = []
        for k in others:
            rivals = others if form == "released" else [t for t in others if t != k]
            if not rivals or w[i][k] == 0:
                continue
            m = max(s[i]) if form == "released" else 0.0
            below = log_sum([(s[i][t] - m) * (1 - w[i][t]) for t in rivals])
            terms.append(w[i][k] * (s[i][k] - m - below))
        if terms:
            anchors.append(-sum(terms) / total)
    return mean(anchors) * (temperature / 0.07 if form == "released" else 1)


def loop_y_aware(s, w):
    anchors = []
    for i in range(len(s)):
        others = [t for t in range(len(s)) if t != i]
        total = sum(w[i][t] for t in others)
        terms = [
            w[i][k] / total * (s[i][k] - log_sum([s[i][t] for t in others]))
            for k in others
            if w[i][k] > 0
        ]
        if terms:
            anchors.append(-sum(terms))
    return mean(anchors)


def loop_threshold(s, w, normaliser="sum"):
    anchors = []
    for i in range(len(s)):
        others = [t for t in range(len(s)) if t != i]
        terms = []
        for k in others:
            rivals = [t for t in others if w[i][t] < w[i][k]]
            total = sum(w[i][t] for t in (others if normaliser == "sum" else rivals))
            if rivals and w[i][k] > 0 and total > w[i][k] / MAX_RATIO:
                below = log_sum([s[i][t] for t in rivals])
                terms.append(w[i][k] / total * (s[i][k] - below))
        if terms:
            anchors.append(-sum(terms))
    return mean(anchors)


def loop_threshold_released(s, w, temperature):
    n = range(len(s))
    anchors = []
    for i in n:
        counts = {j: sum(w[j][k] < w[j][i] for k in n) for j in n if j != i}
        total = sum(w[i][k] for k in n if k != i)
        if total > 0 and any(counts.values()):
            below = log_sum([s[i][j] + math.log(count) for j, count in counts.items() if count])
            terms = [w[i][k] * (s[i][k] - below) for k in n if k != i]
            anchors.append(-sum(terms) / total)
    return mean(anchors) * temperature / 0.07


def loop_supcon(s, ages, bin_width=2.0):
    anchors = []
    bins = [math.floor(age / bin_width) for age in ages.tolist()]
    for i in range(len(s)):
        others = [t for t in range(len(s)) if t != i]
        terms = [s[i][k] - log_sum([s[i][t] for t in others]) for k in others if bins[k] == bins[i]]
        if terms:
            anchors.append(-mean(terms))
    return mean(anchors)


def loop_rank_n_contrast(features, ages, temperature=2.0):
    z, ages = features.tolist(), ages.tolist()
    terms = []
    for i in range(len(z)):
        others = [t for t in range(len(z)) if t != i]
        s = {t: -math.dist(z[i], z[t]) / temperature for t in others}
        for k in others:
            far = [t for t in others if abs(ages[i] - ages[t]) >= abs(ages[i] - ages[k])]
            terms.append(-(s[k] - log_sum([s[t] for t in far])))
    return mean(terms)


# Every loss with the options that change its formula.
VARIANTS = [
    ("exp", {}),
    ("exp", {"form": "released"}),
    ("y_aware", {}),
    ("threshold", {}),
    ("threshold", {"normaliser": "rivals"}),
    ("threshold", {"form": "released"}),
    ("supcon", {}),
    ("supcon", {"bin_width": 7.0}),
    ("rank_n_contrast", {}),
    ("rank_n_contrast", {"temperature": 0.5}),
]


def value(name, features, ages, **options):
    """What the module under test computes."""
    return choices.module(LOSSES, name).loss(features, ages, **options)


def expected(
    name, features, ages, kernel="rbf", bandwidth=2.0, least=sys.float_info.min, **options
):
    """What the formula says, in float64."""
    features, ages = features.double(), ages.double()
    s, w = pairs(features, ages, 0.1, kernel, bandwidth, least)
    if name == "exp":
        return loop_exp(s, w, **options)
    if name == "y_aware":
        return loop_y_aware(s, w)
    if name == "threshold" and options.get("form") == "released":
        return loop_threshold_released(s, w, 0.1)
    if name == "threshold":
        return loop_threshold(s, w, **options)
    if name == "supcon":
        return loop_supcon(s, ages, **options)
    return loop_rank_n_contrast(features, ages, **options)


def kernel_options(name, kernel, bandwidth):
    """Kernel and bandwidth, where the loss takes them."""
    takes = choices.module(LOSSES, name).CHOICE.settings
    return {"kernel": kernel, "bandwidth": bandwidth} if "kernel" in takes else {}
