"""What the measures say of themselves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import brainage
from brainage.core.choices import module
from brainage.core.config import schema
from brainage.imaging.measure import PACKAGE, Limit, all_measures, of_scans

SOURCE = Path(brainage.__file__).parents[1]


def test_each_limit_has_its_key_as_the_config_has_it() -> None:
    owned = {}
    for name, measure in all_measures().items():
        assert measure.label and measure.sentence and not measure.sentence.endswith("."), name
        assert (measure.of_scan is None) != (measure.of_cohort is None), name
        assert measure.limit is None or measure.limit.key in measure.settings, name
        owned |= measure.settings
    known = schema()["properties"]["quality"]["properties"]
    for name, setting in owned.items():
        assert known[name].items() >= setting.items()
    assert set(known) - set(owned) == {
        "outlier_warn",
        "outlier_fail",
        "min_site_scans",
        "decisions",
    }


def test_a_name_finds_its_module() -> None:
    assert module(PACKAGE, "efc").__name__ == f"{PACKAGE}.efc"
    assert module(PACKAGE, "ghosting_up_down").__name__ == f"{PACKAGE}.ghosting"
    assert "ghosting" not in all_measures() and "_air" not in all_measures()


def test_a_warp_has_measures_of_its_own() -> None:
    more = set(of_scans("syn")) - set(of_scans("affine"))
    assert more == {"jacobian_min", "jacobian_max", "gm_volume_ml"}
    assert "cohort_correlation" not in of_scans("syn")


@pytest.mark.parametrize(
    ("bound", "limit", "crossing", "within"),
    [("min", 0.5, 0.4, 0.5), ("max", 60, 61.0, 60.0), ("range", [600, 2600], 599.0, 600.0)],
)
def test_a_limit_is_crossed_on_its_bad_side(
    bound: str, limit: object, crossing: float, within: float
) -> None:
    rule = Limit(key="some", bound=bound, words="{value:g} is beyond")
    assert rule.crossed(crossing, {"some": limit}) == f"{crossing:g} is beyond"
    assert rule.crossed(within, {"some": limit}) is None


def test_planning_reads_measures_without_heavy_libraries() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from brainage.core.choices import choices; choices('brainage.imaging.measures');"
        "print([name for name in ('numpy', 'pandas', 'scipy', 'ants') if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(SOURCE)], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
