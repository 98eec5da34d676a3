"""Checking a config against its schema and filling in the defaults, before any work is done."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from brainage.core.files import InputError

SCHEMA = Path(__file__).with_name("config.schema.yaml")


@cache
def schema() -> dict[str, Any]:
    """Return the schema of the config (JSON Schema, with a default and a sentence for each key)."""
    return yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))


def defaults(section: str) -> dict[str, Any]:
    """Return the defaults of one section of the config, a fresh copy."""
    return _filled({}, schema()["properties"][section])


def complete(config: dict[str, Any], sources: Iterable[str | Path] = ()) -> dict[str, Any]:
    """Check a config and return it with every key that was left out set to its default.

    Parameters
    ----------
    config
        As read from YAML.
    sources
        The files that it was read from, to name file and line in a message.

    Returns
    -------
    dict
        A new dict; `config` is not changed. Each experiment carries all keys of ``learning``;
        ``runs`` is added: what is trained, by name. Each has its ``seeds`` and, as it may be a
        cell of the grid, the experiment that it is ``of`` (its own name where it is no cell),
        the ``datasets`` (None: all) and the ``fraction`` of the training people that it is trained on.

    Raises
    ------
    InputError
        An unknown key, a wrong value or a contradiction, with key, line and what is allowed.
    """
    import jsonschema

    validator = jsonschema.Draft202012Validator(schema())
    sources = list(sources)
    errors = sorted(validator.iter_errors(config), key=lambda e: [str(p) for p in e.absolute_path])
    if errors:
        raise InputError(_message(_deepest(errors[0]), config, sources))
    filled = _filled(config, schema())
    for name, data in filled["datasets"].items():
        where = _line(["datasets", name], sources)
        if data["kind"] == "bids":
            # `--config bids=FOLDER` gives the folder of the data set that has none.
            data["path"] = data["path"] or filled["bids"]
            if not data["path"]:
                raise InputError(
                    f"{where}datasets.{name}.path: the folder of the data set is not given; "
                    "write it there, or add --config bids=FOLDER to the command"
                )
    filled["runs"] = {}
    for name, own in filled["experiments"].items():
        own = dict(own or {})
        seeds = own.pop("seeds", filled["seeds"])
        filled["runs"][name] = {"of": name, "seeds": seeds, "datasets": None, "fraction": 1.0}
        merged = _merge(filled["learning"], own)
        try:
            jsonschema.validate(
                merged, {**schema()["properties"]["learning"], "$defs": schema()["$defs"]}
            )
        except jsonschema.ValidationError as error:
            found = _deepest(error)
            path = ["experiments", name, *found.absolute_path]
            raise InputError(_message(found, config, sources, path)) from None
        filled["experiments"][name] = merged
    _require_keys_of_losses(config, filled["experiments"], sources)
    _add_cells(filled, sources)
    main = filled["report"]["main_experiment"]
    if main not in filled["experiments"]:
        raise InputError(
            f"{_line(['report', 'main_experiment'], sources)}report.main_experiment: {main!r} "
            f"is not an experiment; there are: {', '.join(filled['experiments'])}"
        )
    imaging = filled["imaging"]
    if imaging["grey_matter"] and imaging["registration"] != "syn":
        raise InputError(
            f"{_line(['imaging', 'grey_matter'], sources)}imaging.grey_matter: an affine leaves "
            "grey matter where it does not lie on the template's; set imaging.registration: syn, "
            "or leave grey_matter out"
        )
    for name, own in filled["experiments"].items():
        if "grey_matter" in own["channels"] and not imaging["grey_matter"]:
            raise InputError(
                f"{_line(['experiments', name, 'channels'], sources)}experiments.{name}: the "
                "channel grey_matter needs imaging.grey_matter: true (and registration: syn)"
            )
    shares = filled["splits"]
    if shares["validation"] + shares["calibration"] + shares["internal_test"] >= 1:
        raise InputError(
            f"{_line(['splits'], sources)}splits: validation, calibration and internal_test add up to 1 "
            "or more, nobody is left to fit; lower one"
        )
    return filled


def _add_cells(filled: dict[str, Any], sources: list[str | Path]) -> None:
    """Add to ``runs`` each experiment of the grid at each choice of data sets and fraction."""
    grid, runs = filled["grid"], filled["runs"]
    for key, known, wanted in (
        ("experiments", filled["experiments"], [grid["experiments"]]),
        ("datasets", filled["datasets"], grid["datasets"]),
    ):
        lost = [name for names in wanted for name in names if name not in known]
        if lost:
            raise InputError(
                f"{_line(['grid', key], sources)}grid.{key}: there is no {lost[0]!r} among "
                f"{key}; there are: {', '.join(known)}"
            )
    for name in grid["experiments"] or list(filled["experiments"]):
        for datasets in (None, *grid["datasets"]):
            for fraction in (*sorted(grid["fractions"]), 1.0):
                if datasets is None and fraction == 1.0:
                    continue  # the experiment itself
                # No experiment can be called so: its name has no dot.
                cell = f"{name}.{'.'.join(datasets or ['all'])}.{fraction:g}"
                runs[cell] = {**runs[name], "datasets": datasets, "fraction": fraction}


def _require_keys_of_losses(
    config: dict[str, Any], experiments: dict[str, dict[str, Any]], sources: list[str | Path]
) -> None:
    """Refuse a written key that no loss it is written for takes: it would change nothing."""
    keys = schema()["properties"]["learning"]["properties"]
    places = [
        (["learning"], config.get("learning"), sorted({e["loss"] for e in experiments.values()}))
    ]
    for name, own in (config.get("experiments") or {}).items():
        places.append((["experiments", name], own, [experiments[name]["loss"]]))
    for place, written, used in places:
        for key in written or {}:
            takers = keys.get(key, {}).get("losses", used)  # seeds are an experiment's own
            if not set(takers) & set(used):
                path = [*place, key]
                raise InputError(
                    f"{_line(path, sources)}{'.'.join(path)}: the loss {' or '.join(used)} does "
                    "not take it, so it would change nothing; delete it "
                    f"(it is for {', '.join(takers)})"
                )
    for name, settings in experiments.items():
        released = settings["loss"] == "threshold" and settings["form"] == "released"
        if released and settings["normaliser"] != "sum":
            path = ["experiments", name, "normaliser"]
            raise InputError(
                f"{_line(path, sources)}{'.'.join(path)}: the released form has normaliser "
                "sum alone; delete it, or take form: paper"
            )


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = copy.deepcopy(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else copy.deepcopy(value)
    return merged


def _filled(value: Any, part: dict[str, Any]) -> Any:
    """Return `value` with the defaults of its part of the schema, keys in the schema's order."""
    if "$ref" in part:
        part = schema()["$defs"][part["$ref"].rsplit("/", 1)[1]]
    if not isinstance(value, dict):
        return copy.deepcopy(value)
    filled = {}
    for key, sub in part.get("properties", {}).items():
        if key in value:
            filled[key] = _filled(value[key], sub)
        elif sub.get("type") == "object" and "default" not in sub:
            filled[key] = _filled({}, sub)
        elif "default" in sub:
            filled[key] = copy.deepcopy(sub["default"])
    other = part.get("additionalProperties")
    for key in value:
        if key not in filled:
            filled[key] = _filled(value[key], other if isinstance(other, dict) else {})
    return filled


def _deepest(error: Any) -> Any:
    """Of the branches of an anyOf the one that came furthest says best what is wrong."""
    while error.context:
        error = max(error.context, key=lambda e: len(e.absolute_path))
    return error


def _message(
    error: Any, config: dict[str, Any], sources: list[str | Path], path: Any = None
) -> str:
    path = list(error.absolute_path if path is None else path)
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        wrong = next(k for k in error.instance if k not in known)
        near = difflib.get_close_matches(str(wrong), known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        path.append(wrong)
        what = f"there is no such key; {hint}known here: {', '.join(known)}"
    elif error.validator == "required":
        lost = next(k for k in error.validator_value if k not in error.instance)
        path.append(lost)
        what = "this key is needed"
    elif error.validator == "enum":
        allowed = ", ".join(str(v) for v in error.validator_value)
        near = difflib.get_close_matches(str(error.instance), map(str, error.validator_value), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        what = f"{error.instance!r} is not allowed; allowed: {allowed}{hint}"
    elif error.validator == "type":
        wanted = error.validator_value
        wanted = " or ".join([wanted] if isinstance(wanted, str) else wanted)
        what = f"{error.instance!r} is not of the right kind; needed: {wanted}"
    else:
        what = error.message
    description = error.schema.get("description")
    about = f" ({description})" if description and error.validator != "additionalProperties" else ""
    return f"{_line(path, sources)}{'.'.join(map(str, path))}: {what}{about}"


def _line(path: list[Any], sources: list[str | Path]) -> str:
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
