"""The settings that all encoders take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WIDTH: Mapping[str, Mapping[str, Any]] = {
    "width": {
        "type": "number",
        "exclusiveMinimum": 0,
        "default": 1.0,
        "description": "Width multiplier: number of channels relative to the published network.",
    },
}
