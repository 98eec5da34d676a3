"""What is wrong in a config, in one message: file, line, key, and what is allowed."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import yaml

# Keys and values that had another name once.
RENAMED = {
    "tune": "validation",
    "calibrate": "calibration",
    "least_fit": "min_train",
    "least_tune": "min_validation",
    "tune_every": "validation_every",
    "maximum_rotation": "max_rotation",
    **{
        f"least_{name}": f"min_{name}"
        for name in ("at_site", "diagnosis", "group", "roc", "slopes")
    },
    **{
        f"minimum_{name}": f"min_{name}"
        for name in (
            *("template_overlap", "template_correlation", "cohort_correlation", "core_in_mask"),
            *("brain_in_view", "tissue_contrast", "site_scans"),
        )
    },
}


def deepest(error: Any) -> Any:
    """Of the branches of an anyOf the one that came furthest says best what is wrong."""
    while error.context:
        error = max(error.context, key=lambda e: len(e.absolute_path))
    return error


def message(error: Any, config: dict[str, Any], sources: list[str | Path], path: Any = None) -> str:
    path = list(error.absolute_path if path is None else path)
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        wrong = next(k for k in error.instance if k not in known)
        near = [RENAMED[wrong]] if RENAMED.get(wrong) in known else []
        hint = f"it is called {near[0]!r} now; " if near else ""
        near = near or difflib.get_close_matches(str(wrong), known, n=1)
        hint = hint or (f"did you mean {near[0]!r}? " if near else "")
        path.append(wrong)
        what = f"there is no such key; {hint}known here: {', '.join(known)}"
    elif error.validator == "required":
        lost = next(k for k in error.validator_value if k not in error.instance)
        path.append(lost)
        what = "this key is required"
    elif error.validator == "enum":
        allowed = ", ".join("null" if v is None else str(v) for v in error.validator_value)
        near = difflib.get_close_matches(str(error.instance), map(str, error.validator_value), n=1)
        near = [RENAMED[str(error.instance)]] if str(error.instance) in RENAMED else near
        hint = f"; did you mean {near[0]!r}?" if near else ""
        what = f"{error.instance!r} is not allowed; allowed: {allowed}{hint}"
    elif error.validator == "type":
        wanted = error.validator_value
        wanted = " or ".join([wanted] if isinstance(wanted, str) else wanted)
        what = f"{error.instance!r} has the wrong type; required: {wanted}"
    else:
        what = error.message
    description = error.schema.get("description")
    about = f" ({description})" if description and error.validator != "additionalProperties" else ""
    return f"{line_of(path, sources)}{'.'.join(map(str, path))}: {what}{about}"


def line_of(path: list[Any], sources: list[str | Path]) -> str:
    """Return 'FILE, line N: ' of a key, in the last file that has it."""
    for source in reversed(sources):
        try:
            node = yaml.compose(Path(source).read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        except (OSError, yaml.YAMLError):
            continue
        line, found = 0, 0
        for key in path:
            if isinstance(node, yaml.MappingNode):
                pair = next(((k, v) for k, v in node.value if k.value == str(key)), None)
                if pair is None:
                    break
                line, node = pair[0].start_mark.line + 1, pair[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(key, int):
                node = node.value[key]
                line = node.start_mark.line + 1
            found += 1
        if found and found >= len(path) - 1:
            return f"{source}, line {line}: "
    return f"{sources[-1]}: " if sources else "config: "
