import pytest

from brainage.cohort.chunks import chunk_scans
from brainage.cohort.index import index_scans
from brainage.core.config import complete
from brainage.core.files import InputError
from brainage.simulation.simulate import write_tables
from tests.datasets.test_bids import make


def config(folder, **sections):
    data = {"kind": "bids", "path": str(folder), **sections.pop("data", {})}
    return complete({"datasets": {"mine": data}, **sections})


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
    scans, remarks = index_scans(config(folder, statistics=GROUPS))
    by_id = scans.set_index("scan_id")
    assert by_id.loc["mine_sub-1_ses-1", "age"] == 60.5
    assert by_id.loc["mine_sub-1_ses-2", "diagnosis"] == "MCI"
    assert by_id.loc["mine_sub-1_ses-2", "years_since_first"] == 2.5
    assert by_id.loc["mine_sub-1_ses-2", "site"] == "A"
    assert by_id.loc["mine_sub-2_ses-1_run-1", "age"] == 89
    assert by_id.loc["mine_sub-2_ses-1_run-1", "age_top_coded"]
    assert by_id.loc["mine_sub-2_ses-1_run-1", "sex"] == "M"
    assert by_id.loc["mine_sub-2_ses-1_run-2", "set_aside"] == "another run counts (the first)"
    assert by_id.loc["mine_sub-3", "set_aside"] == "no age"
    assert by_id.loc["mine_sub-4", "set_aside"] == "no row in participants.tsv"
    assert by_id.loc["mine_sub-1_ses-1", "set_aside"] is None
    said = " | ".join(remarks)
    assert "sub-9" in said
    assert "sub-1_ses-3" in said
    assert "sub-4" in said


def test_a_session_whose_own_age_is_missing_does_not_take_that_of_another_visit(folder):
    path = folder / "sub-1" / "sub-1_sessions.tsv"
    path.write_text("session_id\tage\nses-1\t60.5\nses-2\tn/a\n")
    scans, remarks = index_scans(config(folder))
    scans = scans.set_index("scan_id")
    assert scans.loc["mine_sub-1_ses-1", "age"] == 60.5
    assert scans["age"].isna()["mine_sub-1_ses-2"]
    assert scans.loc["mine_sub-1_ses-2", "set_aside"] == "no age"
    # Of a session without a row nothing else is known.
    path.write_text("session_id\tage\nses-1\t60.5\n")
    scans, _ = index_scans(config(folder))
    assert scans.set_index("scan_id").loc["mine_sub-1_ses-2", "age"] == 60
    assert "one age" not in " ".join(remarks)


def test_one_age_for_several_sessions_is_said(folder):
    path = folder / "sub-1" / "sub-1_sessions.tsv"
    path.write_text("session_id\tdiagnosis\nses-1\tCN\nses-2\tCN\n")
    scans, remarks = index_scans(config(folder))
    assert list(scans.loc[scans["participant_id"] == "sub-1", "age"]) == [60, 60]
    assert "mine: 1 people have one age, that of participants.tsv," in " | ".join(remarks)
    assert next(r for r in remarks if "one age" in r).endswith(": sub-1")


def test_the_last_run_can_count(folder):
    scans, _ = index_scans(config(folder, statistics=GROUPS, cohort={"run": "last"}))
    aside = scans.set_index("scan_id")["set_aside"]
    assert aside["mine_sub-2_ses-1_run-2"] is None
    assert aside["mine_sub-2_ses-1_run-1"] == "another run counts (the last)"


def test_an_age_of_months_names_file_row_and_value(folder):
    path = folder / "participants.tsv"
    path.write_text(path.read_text().replace("sub-2\t89+", "sub-2\t720"))
    with pytest.raises(InputError, match=r"participants\.tsv: row 3: age 720"):
        index_scans(config(folder, statistics=GROUPS))


def test_a_table_without_age_says_how_to_name_the_column(folder):
    (folder / "participants.tsv").write_text("participant_id\tyears\nsub-1\t60\n")
    (folder / "sub-1" / "sub-1_sessions.tsv").unlink()
    with pytest.raises(InputError, match=r"no column 'age'.*datasets\.mine\.columns"):
        index_scans(config(folder))


def test_a_diagnosis_or_site_that_no_row_has_is_refused(folder):
    with pytest.raises(InputError, match=r"statistics\.groups names 'ADD'.*AD, CN, MCI"):
        index_scans(config(folder, statistics={"groups": ["CN", "ADD"]}))
    with pytest.raises(InputError, match="site 'Z', which no row has.*A, B"):
        index_scans(config(folder, statistics=GROUPS, splits={"external_sites": ["Z"]}))


def test_diagnoses_are_mapped_and_the_original_kept(folder):
    data = {"diagnosis_map": {"AD": "dementia"}}
    own = {"groups": ["CN", "dementia"]}
    scans, _ = index_scans(config(folder, data=data, statistics=own))
    row = scans.set_index("scan_id").loc["mine_sub-2_ses-1_run-1"]
    assert (row["diagnosis"], row["diagnosis_original"]) == ("dementia", "AD")


def test_two_images_of_one_scan_are_refused(folder):
    (folder / "sub-3" / "anat" / "sub-3_acq-x_T1w.nii.gz").write_bytes(b"")
    with pytest.raises(InputError, match="two images of one scan"):
        index_scans(config(folder, statistics=GROUPS))


def test_a_new_person_leaves_everybody_elses_chunk_alone(folder):
    own = config(folder, statistics=GROUPS, imaging={"chunk_size": 2})
    before = chunk_scans(own)["chunks"]["mine"]
    make(folder, "sub-5/anat/sub-5_T1w.nii.gz")
    after = chunk_scans(own)["chunks"]["mine"]

    def chunk_of(chunks):
        return {s: k for k, part in chunks.items() for s, _ in part["scans"]}

    for scan, chunk in chunk_of(before).items():
        assert chunk_of(after)[scan] == chunk
    one = {part["people"].count("sub-1") for part in before.values()}
    assert one == {0, 1}


def test_an_unsafe_name_is_refused(folder):
    make(folder, "sub-é1/anat/sub-é1_T1w.nii.gz")
    try:
        scans, _ = index_scans(config(folder, statistics=GROUPS))
    except InputError as error:
        assert "BIDS label" in str(error)
    else:
        # The indexer itself may pass over a name that BIDS does not allow.
        assert not scans["participant_id"].str.contains("é").any()


def test_heads_of_an_earlier_larger_plan_are_not_of_the_cohort(tmp_path):
    def simulated(healthy):
        people = {"healthy": healthy, "external": 2, "clinical": 3}
        return complete(
            {
                "results": str(tmp_path),
                "datasets": {
                    "demo": {
                        "kind": "simulated",
                        "simulation": {"people": people, "troubles": False},
                    }
                },
            }
        )

    larger, smaller = (index_scans(simulated(n), planned=True)[0] for n in (12, 8))
    folder = tmp_path / "simulated" / "demo"
    settings = simulated(8)["datasets"]["demo"]["simulation"]
    write_tables(settings, folder, tmp_path / "truth.tsv", "demo")
    for t1w in larger["t1w"]:
        (folder / t1w).parent.mkdir(parents=True, exist_ok=True)
        (folder / t1w).touch()
    assert len(larger) == len(smaller) + 4
    scans, remarks = index_scans(simulated(8))
    assert scans["scan_id"].to_list() == smaller["scan_id"].to_list()
    assert remarks == []
