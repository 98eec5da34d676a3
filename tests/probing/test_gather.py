"""Tables of trainings put together."""

import pandas as pd
import pytest

from brainage.core.contracts.probing import SITE_PROBE
from brainage.core.files import InputError
from brainage.core.layout import Layout
from brainage.core.tables import read_table, write_table
from brainage.probing.gather import gather, gather_trainings


def table_of(fold: int) -> pd.DataFrame:
    values = ["lexp", fold, 1, "embedding", "converged", 0.3, 0.2, 0.4, 0.25, 4, 40]
    return pd.DataFrame([values], columns=list(SITE_PROBE.names))


def test_rows_of_all_tables_in_order_of_their_key(tmp_path):
    paths = [tmp_path / f"{name}.tsv" for name in ("b", "a", "none")]
    for path, table in zip(paths, [table_of(1), table_of(0), table_of(0).iloc[:0]], strict=True):
        write_table(table, path, SITE_PROBE)
    gather(paths, tmp_path / "all.tsv", SITE_PROBE)
    assert read_table(tmp_path / "all.tsv", SITE_PROBE)["fold"].tolist() == [0, 1]
    gather(paths[2:], tmp_path / "all.tsv", SITE_PROBE)
    assert len(read_table(tmp_path / "all.tsv", SITE_PROBE)) == 0


def test_one_training_twice_is_refused(tmp_path):
    path = tmp_path / "a.tsv"
    write_table(table_of(0), path, SITE_PROBE)
    with pytest.raises(InputError, match="same key"):
        gather([path, path], tmp_path / "all.tsv", SITE_PROBE)


def test_tables_of_named_trainings_are_put_where_they_belong(tmp_path):
    files = Layout(tmp_path)
    trainings = ["lexp/fold-0_seed-1", "lexp/fold-1_seed-1"]
    for fold, training in enumerate(trainings):
        out = files.file("site_probe_of", training=training)
        write_table(table_of(fold), out, SITE_PROBE)
    gather_trainings(files, "site_probe", trainings[1:])
    gather_trainings(files, "grid_site_probe", trainings)
    assert len(read_table(files.file("site_probe"), SITE_PROBE)) == 1
    assert len(read_table(files.file("grid_site_probe"), SITE_PROBE)) == 2
    with pytest.raises(InputError, match="'gaps' is not one of predictions, "):
        gather_trainings(files, "gaps", trainings)
