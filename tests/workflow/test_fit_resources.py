"""From benchmarks of finished runs to what rules ask for: never less than was measured."""

import runpy

import numpy as np
import pytest

from tests.conftest import ROOT

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(ROOT / "scripts" / "fit_resources.py"))


def counted(scan, megavoxel):
    return {
        **{"base": 1, "scan": scan, "megavoxel": megavoxel},
        "scan_megavoxel": scan * megavoxel,
    }


def test_what_grows_with_voxels_is_found_to(script):
    how = script["MEASURES"]["mem_mb"]
    sizes = [(20, 0.04), (20, 1.0), (16, 8.5)]
    jobs = [counted(*size) for size in sizes]
    needs = np.array([4000 + 200 * megavoxel for _, megavoxel in sizes])
    fitted = script["fit"](jobs, needs, how)
    assert fitted["base"] == pytest.approx(4000 * how.margin, rel=0.02)
    assert fitted["megavoxel"] == pytest.approx(200 * how.margin, rel=0.02)


@pytest.mark.parametrize("measure", ["mem_mb", "minutes"])
def test_no_measured_job_is_above_the_fit(script, measure):
    how = script["MEASURES"][measure]
    rng = np.random.default_rng(0)
    jobs = [counted(scan, voxels) for scan in (10, 100, 1000) for voxels in (0.04, 1, 8.5)]
    needs = 50 * how.floor * rng.lognormal(size=len(jobs))
    fitted = script["fit"](jobs, needs, how)
    for job, need in zip(jobs, needs, strict=True):
        # Written with two digits.
        assert sum(fitted[term] * job[term] for term in fitted) > 0.95 * how.margin * need


def test_a_small_job_asks_for_the_floor(script):
    how = script["MEASURES"]["minutes"]
    assert script["fit"]([counted(10, 0.04)], np.array([0.01]), how) == {"base": how.floor}


def test_children_that_one_column_missed_count_and_short_jobs_do_not(script, tmp_path):
    path = tmp_path / "job.tsv"
    path.write_text(HEADER + "600.0\t0:10:00\t1000.0\t0\t0\t0\t0\t0\t50.0\t120.0\n")
    found = script["measured"](path)
    assert found["minutes"] == pytest.approx(5)
    assert found["mem_mb"] == pytest.approx(1000 * 1.024**2)
    path.write_text(HEADER + "0.1\t0:00:00\tNA\tNA\tNA\tNA\tNA\tNA\tNA\tNA\n")
    assert script["measured"](path) is None
