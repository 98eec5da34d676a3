"""Write config/README.md, the manual of every key, from the schema; `make manual` runs it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from brainage.core.config import schema  # noqa: E402

HEAD = """# Every key of the config

A config is a YAML file. `config.yaml` is the demo, `ixi.yaml` an example on real heads. Give your
own with `--configfile my.yaml`; a key that you leave out has the default that stands here. A key
that is not known, or a value that is not allowed, stops the run before any work, with the file,
the line and what is allowed.

On the command line, `--config bids=FOLDER` gives the folder of the data set whose `path` is empty.

*Made by `make manual` from `src/brainage/core/config.schema.yaml`; do not edit.*
"""


def manual() -> str:
    """Return the text of config/README.md."""
    lines = [HEAD]
    top = schema()["properties"]
    plain = {key: part for key, part in top.items() if "properties" not in part}
    lines += ["## At the top", "", *_table(plain), ""]
    lines += [
        "### A data set: `datasets.NAME`",
        "",
        *_table(schema()["$defs"]["dataset"]["properties"]),
    ]
    lines.append("")
    for section, part in top.items():
        if "properties" in part:
            lines += [f"## `{section}`", "", *_table(part["properties"]), ""]
    return "\n".join(lines).rstrip() + "\n"


def _table(properties: dict[str, Any]) -> list[str]:
    rows = ["| key | default | what it does |", "| --- | --- | --- |"]
    for path, part in _keys(properties, ""):
        default = (
            f"`{json.dumps(part['default'], ensure_ascii=False)}`" if "default" in part else "—"
        )
        allowed = ""
        if "enum" in part:
            allowed = " One of " + ", ".join(f"`{value}`" for value in part["enum"]) + "."
        if "of" in part:
            allowed += " For " + ", ".join(f"`{name}`" for name in part["of"]) + "."
        about = part.get("description", "").replace("|", "\\|")
        rows.append(f"| `{path}` | {default} | {about}{allowed} |")
    return rows


def _keys(properties: dict[str, Any], before: str) -> list[tuple[str, dict[str, Any]]]:
    keys = []
    for key, part in properties.items():
        if "properties" in part:
            keys += _keys(part["properties"], f"{before}{key}.")
        else:
            keys.append((before + key, part))
    return keys


if __name__ == "__main__":
    (ROOT / "config" / "README.md").write_text(manual(), encoding="utf-8")
