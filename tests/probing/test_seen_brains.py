"""An encoder is never tested on a brain that it was trained on."""

import pandas as pd
import pytest

from brainage.core.contracts.cohort import SCANS, SPLITS
from brainage.core.contracts.learning import INDEX
from brainage.core.files import InputError, write_json
from brainage.core.layout import Layout
from brainage.core.tables import write_table
from brainage.core.training import Training
from brainage.probing.people import refuse_seen_people

TRAINING = Training("lexp", 0, 1)
ROLES = {"sub-a": "train", "sub-b": "test", "sub-c": "validation", "sub-d": "test"}


@pytest.fixture
def files(tmp_path):
    """Tables of four people of one scan each; the brain of sub-x has the hash x."""
    people = list(ROLES)
    scans = pd.DataFrame({"scan_id": [f"demo_{p}" for p in people], "participant_id": people})
    scans = scans.reindex(columns=list(SCANS.names)).assign(
        dataset="demo", t1w="head.nii.gz", age=40.0, age_top_coded=False, healthy=True,
        always_healthy=True,
    )  # fmt: skip
    splits = pd.DataFrame({"participant_id": people, "role": list(ROLES.values())})
    index = pd.DataFrame(
        {"scan_id": scans["scan_id"], "row": range(4), "brain_sha256": list("abcd")}
    )
    # In another fold sub-d is trained on.
    elsewhere = splits.assign(fold=1, role=["test", "test", "test", "train"])
    splits = pd.concat([splits.assign(fold=0), elsewhere])
    splits = splits.assign(experiment="lexp", seed=1, dataset="demo")
    files = Layout(tmp_path)
    write_table(index, files.file("embedding_index", training=TRAINING), INDEX)
    write_table(scans, files.file("scans"), SCANS)
    write_table(splits, files.file("splits"), SPLITS)
    return files


def refuse(files, seen):
    description = files.file("encoder_description", training=TRAINING)
    write_json(description, {"training": {"brain_sha256": seen}})
    refuse_seen_people(files, TRAINING)


def test_brains_of_training_people_may_have_been_seen(files):
    refuse(files, ["a", "e"])


@pytest.mark.parametrize(
    ("seen", "message"),
    [("ab", "demo_sub-b, which is for test"), ("c", "demo_sub-c, which is for validation")],
)
def test_a_brain_that_is_to_be_tested_on_is_refused(files, seen, message):
    with pytest.raises(InputError, match=message):
        refuse(files, list(seen))


def test_it_is_the_brain_that_counts_and_not_its_name(files):
    # The image of sub-a once more, as that of sub-d.
    index = files.file("embedding_index", training=TRAINING)
    index.write_text(index.read_text().replace("\td\t", "\ta\t"))
    with pytest.raises(InputError, match="demo_sub-d"):
        refuse(files, ["a"])
