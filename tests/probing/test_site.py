"""The site probe: what it finds in the embedding, in age alone, and in the voxels."""

import numpy as np
import pandas as pd
import pytest

from brainage.contracts import SITE_PROBE
from brainage.probing.site import probe_site
from brainage.tables import read_table

from .simulated import RUN, SETTINGS, Study, study


def probed(made: Study, store: bool = False, **changes) -> pd.DataFrame:
    out = made.folder / "site.tsv"
    where = made.folder / "store" if store else None
    settings = {**SETTINGS, **changes}
    probe_site(**made.write(), out=out, **RUN, settings=settings, store=where)
    return read_table(out, SITE_PROBE).set_index(["probe", "protocol"])


def test_site_is_in_the_voxels_and_not_in_the_embedding(tmp_path):
    rows = probed(study(tmp_path), store=True)
    assert rows["n"].unique().tolist() == [55] and rows["sites"].unique().tolist() == [2]
    assert (rows["chance"] == 0.5).all()
    assert rows.loc["voxels", "balanced_accuracy"].min() > 0.9
    assert rows.loc["embedding", "balanced_accuracy"].max() < 0.75
    assert (rows["low"] <= rows["balanced_accuracy"]).all()
    assert (rows["balanced_accuracy"] <= rows["high"]).all()


def test_site_is_found_where_it_is(tmp_path):
    made = study(tmp_path)
    made.embeddings[:, 5] += 4 * (made.scans["site"] == "A")
    rows = probed(made)
    assert rows.loc[("embedding", "converged"), "balanced_accuracy"] > 0.9


def test_age_alone_tells_sites_of_different_ages(tmp_path):
    made = study(tmp_path)
    made.scans["age"] = np.where(made.scans["site"] == "A", 30, 60) + made.scans["age"] / 10
    rows = probed(made)
    assert rows.loc[("age_sex", "converged"), "balanced_accuracy"] > 0.95


def test_one_site_gives_no_rows(tmp_path):
    made = study(tmp_path, fit=(30, "fit", "CN", "A", 1), test=(20, "test", "CN", "AB", 1))
    assert len(probed(made)) == 0


@pytest.mark.parametrize(("least", "rows"), [(5, 3), (6, 0)])
def test_sites_with_few_people_do_not_count(tmp_path, least, rows):
    people = {"fit": (30, "fit", None, "AB", 1), "test": (10, "test", None, "AB", 1)}
    assert len(probed(study(tmp_path, **people), least_at_site=least)) == rows
