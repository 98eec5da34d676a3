"""Checking a config against its schema and filling in the defaults, before any work is done."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from brainage.core.choices import choices
from brainage.core.config_messages import deepest, line_of, message
from brainage.core.config_paths import refuse_control_characters, results_folder
from brainage.core.files import InputError

Sources = list[str | Path]

SCHEMA = Path(__file__).with_name("config.schema.yaml")


@cache
def schema() -> dict[str, Any]:
    """Return the schema of the config (JSON Schema, with a default and a sentence for each key)."""
    # libyaml, where PyYAML has it, is ten times as fast; every job of a cluster reads this.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    whole: dict[str, Any] = yaml.load(SCHEMA.read_text(encoding="utf-8"), Loader=loader)
    _take_choices(whole)
    return whole


def _take_choices(part: Any) -> None:
    """Fill in what the modules of a choice say of it, wherever the schema names their package.

    At a key, ``choices`` becomes its allowed values; the settings of the choices become keys
    beside it (or of the section, where the section names the package), each with the list of
    those that take it, as ``of``.
    """
    if isinstance(part, list):
        for value in part:
            _take_choices(value)
    if not isinstance(part, dict):
        return
    properties = part.get("properties")
    if isinstance(properties, dict):
        filled: dict[str, Any] = {}
        for key, sub in properties.items():
            filled[key] = sub
            is_key = isinstance(sub, dict) and "properties" not in sub
            if is_key and isinstance(sub.get("choices"), str):
                package = sub.pop("choices")
                sub["enum"] = [*sub.pop("also", ()), *choices(package)]
                filled |= _settings(package)
        if isinstance(part.get("choices"), str):
            filled |= _settings(part.pop("choices"))
        part["properties"] = filled
    for value in part.values():
        _take_choices(value)


def _settings(package: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, choice in choices(package).items():
        for key, setting in choice.settings.items():
            found.setdefault(key, {**setting, "of": []})["of"].append(name)
    return found


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
        A new dict; `config` is not changed. Each experiment carries the keys of ``learning`` that
        its loss takes; ``runs`` is added: what is trained, by name. Each has its ``seeds`` and, as
        it may be a cell of the grid, the experiment that it is ``of`` (its own name where it is no
        cell), the ``datasets`` (None: all) and the ``fraction`` of the training people.

    Raises
    ------
    InputError
        An unknown key, a wrong value or a contradiction, with key, line and what is allowed.
    """
    import jsonschema

    config, sources = _text_keys(config), list(sources)
    refuse_control_characters(config, sources)
    validator = jsonschema.Draft202012Validator(schema())
    errors = sorted(validator.iter_errors(config), key=lambda e: [str(p) for p in e.absolute_path])
    if errors:
        raise InputError(message(deepest(errors[0]), config, sources))
    filled = _filled(config, schema())
    _name_folders(filled, sources)
    filled["results"] = results_folder(filled, sources)
    _merge_experiments(filled, config, sources)
    _add_cells(filled, sources)
    _refuse_contradictions(filled, sources)
    return filled


def _text_keys(value: Any) -> Any:
    """Make every key text: YAML reads ``{1: M}`` with a number, which JSON cannot keep."""
    if isinstance(value, dict):
        return {str(key): _text_keys(sub) for key, sub in value.items()}
    return [_text_keys(sub) for sub in value] if isinstance(value, list) else value


def _name_folders(filled: dict[str, Any], sources: Sources) -> None:
    """Give the data set without a folder that of the command line, and refuse one with none."""
    for name, data in filled["datasets"].items():
        if data["kind"] == "simulated":
            continue
        data["path"] = data["path"] or filled["bids"]
        if not data["path"]:
            raise InputError(
                f"{line_of(['datasets', name], sources)}datasets.{name}.path: the folder of the "
                "data set is not given; set it there, or add --config bids=FOLDER to the command"
            )


def _merge_experiments(filled: dict[str, Any], config: dict[str, Any], sources: Sources) -> None:
    """Fill in each experiment from ``learning``, and list what is trained in ``runs``."""
    import jsonschema

    part = {**schema()["properties"]["learning"], "$defs": schema()["$defs"]}
    # Not jsonschema.validate: for each experiment it would check the schema itself as well.
    validator = jsonschema.Draft202012Validator(part)
    filled["runs"] = {}
    for name, own in filled["experiments"].items():
        own = dict(own or {})
        seeds = own.pop("seeds", filled["seeds"])
        filled["runs"][name] = {"of": name, "seeds": seeds, "datasets": None, "fraction": 1.0}
        merged = _merge(filled["learning"], own)
        error = jsonschema.exceptions.best_match(validator.iter_errors(merged))
        if error:
            found = deepest(error)
            path = ["experiments", name, *found.absolute_path]
            raise InputError(message(found, config, sources, path))
        filled["experiments"][name] = merged
    _require_keys_of_losses(config, filled["experiments"], sources)
    keys = part["properties"]
    for name, own in filled["experiments"].items():
        # A key of another loss would make a training look new when such a loss is added.
        filled["experiments"][name] = {
            key: value
            for key, value in own.items()
            if own["loss"] in keys.get(key, {}).get("of", [own["loss"]])
        }


def _refuse_contradictions(filled: dict[str, Any], sources: Sources) -> None:
    main = filled["report"]["main_experiment"]
    if main not in filled["experiments"]:
        raise InputError(
            f"{line_of(['report', 'main_experiment'], sources)}report.main_experiment: {main!r} "
            f"is not an experiment; there are: {', '.join(filled['experiments'])}"
        )
    imaging = filled["imaging"]
    if imaging["grey_matter"] and imaging["registration"] != "syn":
        raise InputError(
            f"{line_of(['imaging', 'grey_matter'], sources)}imaging.grey_matter: an affine alone "
            "does not align grey matter well enough with the template's; set "
            "imaging.registration: syn, or remove grey_matter"
        )
    for name, own in filled["experiments"].items():
        if "grey_matter" in own["channels"] and not imaging["grey_matter"]:
            raise InputError(
                f"{line_of(['experiments', name, 'channels'], sources)}experiments.{name}: the "
                "channel grey_matter needs imaging.grey_matter: true (and registration: syn)"
            )
    shares = filled["splits"]
    if shares["validation"] + shares["calibration"] + shares["internal_test"] >= 1:
        raise InputError(
            f"{line_of(['splits'], sources)}splits: validation, calibration and internal_test add "
            "up to 1 or more, so that nobody is left to train on; lower one"
        )


def _add_cells(filled: dict[str, Any], sources: Sources) -> None:
    """Add to ``runs`` each experiment of the grid at each choice of data sets and fraction."""
    grid, runs = filled["grid"], filled["runs"]
    for key, known, wanted in (
        ("experiments", filled["experiments"], [grid["experiments"]]),
        ("datasets", filled["datasets"], grid["datasets"]),
    ):
        lost = [name for names in wanted for name in names if name not in known]
        if lost:
            raise InputError(
                f"{line_of(['grid', key], sources)}grid.{key}: there is no {lost[0]!r} among "
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
    config: dict[str, Any], experiments: dict[str, dict[str, Any]], sources: Sources
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
            takers = keys.get(key, {}).get("of", used)  # seeds are an experiment's own
            if not set(takers) & set(used):
                path = [*place, key]
                raise InputError(
                    f"{line_of(path, sources)}{'.'.join(path)}: the loss {' or '.join(used)} does "
                    "not use it, so it would have no effect; delete it (it is for "
                    f"{', '.join(takers)})"
                )
    for name, settings in experiments.items():
        released = settings["loss"] == "threshold" and settings["form"] == "released"
        if released and settings["normaliser"] != "sum":
            path = ["experiments", name, "normaliser"]
            raise InputError(
                f"{line_of(path, sources)}{'.'.join(path)}: the released form supports normaliser "
                "sum only; delete it, or take form: paper"
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
