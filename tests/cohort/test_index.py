import pytest

from brainage import planning
from brainage.cohort.index import join
from brainage.core.config import complete
from brainage.core.files import InputError
from brainage.datasets.scans import read_dataset
from tests.datasets.readers.test_bids import make


def config(folder, **sections):
    data = {"kind": "bids", "path": str(folder), **sections.pop("data", {})}
    return complete({"datasets": {"mine": data}, **sections})


def index(config):
    """Scans by scan_id, and the remarks."""
    rows, remarks = [], []
    for name, settings in config["datasets"].items():
        own, said = read_dataset(name, settings, config["cohort"]["run"])
        rows += own
        remarks += said
    return {row["scan_id"]: row for row in join(rows, config)}, remarks


@pytest.fixture
def folder(tmp_path):
    make(
        tmp_path,
        "sub-1/ses-1/anat/sub-1_ses-1_T1w.nii.gz",
        "sub-1/ses-2/anat/sub-1_ses-2_T1w.nii.gz",
        "sub-2/ses-1/anat/sub-2_ses-1_run-1_T1w.nii.gz",
        "sub-2/ses-1/anat/sub-2_ses-1_run-2_T1w.nii.gz",
        "sub-3/anat/sub-3_T1w.nii.gz",
        "sub-4/anat/sub-4_T1w.nii.gz",
    )
    (tmp_path / "participants.tsv").write_text(
        "participant_id\tage\tsex\tsite\tdiagnosis\n"
        "sub-1\t60\tF\tA\tCN\nsub-2\t89+\tmale\tA\tAD\nsub-3\tn/a\tM\tB\tCN\nsub-9\t50\tM\tB\tCN\n"
    )
    (tmp_path / "sub-1" / "sub-1_sessions.tsv").write_text(
        "session_id\tage\tdiagnosis\nses-1\t60.5\tCN\nses-2\t63\tMCI\nses-3\t64\tMCI\n"
    )
    return tmp_path


GROUPS = {"groups": ["CN", "MCI", "AD"]}


def test_sessions_come_before_participants_and_everything_is_joined_by_key(folder):
    scans, remarks = index(config(folder, statistics=GROUPS))
    assert scans["mine_sub-1_ses-1"]["age"] == 60.5
    assert scans["mine_sub-1_ses-2"]["diagnosis"] == "MCI"
    assert scans["mine_sub-1_ses-2"]["years_since_first"] == 2.5
    assert scans["mine_sub-1_ses-2"]["site"] == "mine/A"
    assert scans["mine_sub-2_ses-1_run-1"]["age"] == 89
    assert scans["mine_sub-2_ses-1_run-1"]["age_top_coded"]
    assert scans["mine_sub-2_ses-1_run-1"]["sex"] == "M"
    assert (
        scans["mine_sub-2_ses-1_run-2"]["set_aside"]
        == "another run of the session is used (the first)"
    )
    assert scans["mine_sub-3"]["set_aside"] == "no age"
    assert scans["mine_sub-4"]["set_aside"] == "no row in participants.tsv"
    assert scans["mine_sub-1_ses-1"]["set_aside"] is None
    said = " | ".join(remarks)
    assert "sub-9" in said
    assert "sub-1_ses-3" in said
    assert "sub-4" in said


def test_a_session_whose_own_age_is_missing_does_not_take_that_of_another_visit(folder):
    path = folder / "sub-1" / "sub-1_sessions.tsv"
    path.write_text("session_id\tage\nses-1\t60.5\nses-2\tn/a\n")
    scans, remarks = index(config(folder))
    assert scans["mine_sub-1_ses-1"]["age"] == 60.5
    assert scans["mine_sub-1_ses-2"]["age"] is None
    assert scans["mine_sub-1_ses-2"]["set_aside"] == "no age"
    # Of a session without a row nothing else is known.
    path.write_text("session_id\tage\nses-1\t60.5\n")
    scans, _ = index(config(folder))
    assert scans["mine_sub-1_ses-2"]["age"] == 60
    assert "same age" not in " ".join(remarks)


def test_one_age_for_several_sessions_is_said(folder):
    path = folder / "sub-1" / "sub-1_sessions.tsv"
    path.write_text("session_id\tdiagnosis\nses-1\tCN\nses-2\tCN\n")
    scans, remarks = index(config(folder))
    assert [row["age"] for row in scans.values() if row["participant_id"] == "sub-1"] == [60, 60]
    assert "mine: 1 person has the same age, that of participants.tsv," in " | ".join(remarks)
    assert next(r for r in remarks if "same age" in r).endswith(": sub-1")


def test_the_last_run_can_count(folder):
    scans, _ = index(config(folder, statistics=GROUPS, cohort={"run": "last"}))
    assert scans["mine_sub-2_ses-1_run-2"]["set_aside"] is None
    assert (
        scans["mine_sub-2_ses-1_run-1"]["set_aside"]
        == "another run of the session is used (the last)"
    )


def test_an_age_of_months_names_file_row_and_value(folder):
    path = folder / "participants.tsv"
    path.write_text(path.read_text().replace("sub-2\t89+", "sub-2\t720"))
    with pytest.raises(InputError, match=r"participants\.tsv: row 3: age 720"):
        index(config(folder, statistics=GROUPS))


def test_a_table_without_age_says_how_to_name_the_column(folder):
    (folder / "participants.tsv").write_text("participant_id\tyears\nsub-1\t60\n")
    (folder / "sub-1" / "sub-1_sessions.tsv").unlink()
    with pytest.raises(InputError, match=r"no column 'age'.*datasets\.mine\.columns"):
        index(config(folder))


def test_a_diagnosis_or_site_that_no_row_has_is_refused(folder):
    with pytest.raises(InputError, match=r"statistics\.groups names 'ADD'.*AD, CN, MCI"):
        planning.plan(config(folder, statistics={"groups": ["CN", "ADD"]}))
    with pytest.raises(InputError, match="site 'Z', which is in no row.*mine/A, mine/B"):
        planning.plan(config(folder, statistics=GROUPS, splits={"external_sites": ["Z"]}))


def test_diagnoses_are_mapped_and_the_original_kept(folder):
    data = {"diagnosis_map": {"AD": "dementia"}}
    own = {"groups": ["CN", "dementia"]}
    scans, _ = index(config(folder, data=data, statistics=own))
    row = scans["mine_sub-2_ses-1_run-1"]
    assert (row["diagnosis"], row["diagnosis_original"]) == ("dementia", "AD")


def test_two_images_of_one_scan_set_aside_that_scan_alone(folder):
    (folder / "sub-3" / "anat" / "sub-3_acq-x_T1w.nii.gz").write_bytes(b"")
    scans, _ = index(config(folder, statistics=GROUPS))
    assert "sub-3_T1w.nii.gz" in scans["mine_sub-3"]["set_aside"]
    assert scans["mine_sub-1_ses-1"]["set_aside"] is None


def test_an_unsafe_name_is_refused(folder):
    make(folder, "sub-é1/anat/sub-é1_T1w.nii.gz")
    with pytest.raises(InputError, match="'sub-é1' is not a BIDS label"):
        index(config(folder, statistics=GROUPS))


def row(person, diagnosis, age=60.0, dataset="mine", site=None):
    return {
        "scan_id": f"{dataset}_{person}_ses-{age:g}",
        "dataset": dataset,
        "participant_id": person,
        "session_id": f"ses-{age:g}",
        "run": None,
        "age": age,
        "diagnosis": diagnosis,
        "site": site,
        "set_aside": None,
        "known_diagnoses": [] if diagnosis is None else [diagnosis],
    }


def healthy(rows, **datasets):
    """(healthy, always_healthy) of each scan by its age."""
    config = {
        "cohort": {"healthy": ["CN", "SMC"], "age_range": [5, 100]},
        "datasets": {"mine": {"all_controls": None}} | datasets,
    }
    return {
        (r["dataset"], r["participant_id"], r["age"]): (r["healthy"], r["always_healthy"])
        for r in join(rows, config)
    }


@pytest.mark.parametrize(
    ("diagnoses", "at_visits", "always"),
    [
        (["CN", "SMC", "CN"], [True, True, True], True),
        (["CN", "MCI", "AD"], [True, False, False], False),  # a converter
        (["CN", None, "CN"], [True, True, True], True),  # one session without a diagnosis
        ([None, "CN", None], [True, True, True], True),
        (["CN", None, "AD"], [True, False, False], False),
        ([None, "AD"], [False, False], False),
        (["MCI", "CN"], [False, True], False),  # one who reverts
        ([None, None], [False, False], False),
    ],
)
def test_who_is_healthy_at_a_scan_and_always(diagnoses, at_visits, always):
    rows = [row("sub-1", d, age=60.0 + i) for i, d in enumerate(diagnoses)]
    found = healthy([*reversed(rows), row("sub-2", "AD")])
    assert [found["mine", "sub-1", 60.0 + i] for i in range(len(rows))] == [
        (well, always) for well in at_visits
    ]


def test_an_age_that_is_missing_leaves_the_order_of_visits_alone():
    rows = [
        row("sub-1", "AD") | {"session_id": "ses-2", "age": None, "scan_id": "a"},
        row("sub-1", None) | {"session_id": "ses-10", "age": 64.0, "scan_id": "b"},
        row("sub-1", "CN") | {"session_id": "ses-11", "age": 65.0, "scan_id": "c"},
    ]
    assert healthy(rows)["mine", "sub-1", 64.0] == (False, False)


def test_a_diagnosis_at_a_visit_without_an_image_counts(folder):
    """Who drops out of scanning after converting is no healthy person to train on."""
    sessions = folder / "sub-1" / "sub-1_sessions.tsv"
    sessions.write_text(
        "session_id\tage\tdiagnosis\nses-1\t60.5\tCN\nses-2\t63\tCN\nses-3\t64\tAD\n"
    )
    scans, _ = index(config(folder))
    found = scans["mine_sub-1_ses-1"]
    assert (found["healthy"], found["always_healthy"]) == (True, False)
    # So does that of participants.tsv.
    sessions.write_text("session_id\tage\tdiagnosis\nses-1\t60.5\tCN\nses-2\t63\tCN\n")
    table = folder / "participants.tsv"
    table.write_text(table.read_text().replace("sub-1\t60\tF\tA\tCN", "sub-1\t60\tF\tA\tAD"))
    scans, _ = index(config(folder))
    assert not scans["mine_sub-1_ses-1"]["always_healthy"]


def test_a_missing_diagnosis_is_not_lent_by_the_persons_row(folder):
    sessions = folder / "sub-1" / "sub-1_sessions.tsv"
    sessions.write_text("session_id\tage\tdiagnosis\nses-1\t60.5\tAD\nses-2\t63\tn/a\n")
    scans, _ = index(config(folder))
    second = scans["mine_sub-1_ses-2"]
    assert (second["diagnosis"], second["healthy"]) == (None, False)


def test_a_data_set_without_diagnoses_alone_is_of_controls():
    assert set(healthy([row("sub-1", None)]).values()) == {(True, True)}
    said = {"mine": {"all_controls": False}}
    assert set(healthy([row("sub-1", None)], **said).values()) == {(False, False)}


def test_a_data_set_without_diagnoses_beside_one_with_them_needs_a_word():
    rows = [row("sub-1", "AD"), row("sub-1", None, dataset="other")]
    with pytest.raises(
        InputError, match=r"'other' has no diagnoses.*datasets\.other\.all_controls"
    ):
        healthy(rows, other={"all_controls": None})
    found = healthy(rows, other={"all_controls": True})
    assert found["other", "sub-1", 60.0] == (True, True)
    assert found["mine", "sub-1", 60.0] == (False, False)
    found = healthy(rows, other={"all_controls": False})
    assert found["other", "sub-1", 60.0] == (False, False)


def test_all_controls_is_refused_where_the_tables_have_diagnoses():
    with pytest.raises(InputError, match=r"datasets\.mine\.all_controls is true, but"):
        healthy([row("sub-1", "AD")], mine={"all_controls": True})
