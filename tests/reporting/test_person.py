"""The page of one person."""

import re
import subprocess

import pandas as pd
import pytest

from brainage.core.contracts.cohort import SPLITS
from brainage.core.contracts.statistics import GAPS
from brainage.core.derivatives import PICTURE, derivative
from brainage.core.files import InputError
from brainage.core.tables import read_table
from brainage.reporting.person import write_person_pages
from brainage.reporting.person_words import NOT_RULED_OUT
from tests.reporting.conftest import change_gaps, check_page, empty, files_of
from tests.reporting.fake_results import picture
from tests.reporting.test_layout import A4, show

ALWAYS = (
    "For research use, not for diagnosis.",
    "The images were not read for tumours, bleeding, stroke or other findings.",
)


OVERLAP = """
const main = document.querySelector('main');
return main.scrollHeight - main.clientHeight;
"""


def local_site(frame):
    """Put the first clinical person at a site of the reference."""
    frame.loc[frame["participant_id"] == "sub-C001", "site"] = "demo/H1"
    return frame


def many_at_one_site(frame):
    """Put all calibration people at one site."""
    rows = frame["participant_id"].str.startswith("sub-H")
    frame.loc[rows, "site"] = "demo/H1"
    return frame


@pytest.mark.slow
def test_clinical_people_and_their_controls_get_a_page(study, write):
    pages = write(study)
    assert len(pages) == 36
    assert all(name.startswith("demo_sub-C") for name in pages)
    for page in pages.values():
        for words in ALWAYS:
            assert words in page.text


def test_page_has_one_corrected_gap_with_scale_and_alpha(study, write):
    gaps = read_table(study["gaps"], GAPS)
    row = gaps[(gaps["scan_id"] == "demo_sub-C005_ses-3") & (gaps["experiment"] == "lexp")].iloc[0]
    page = write(study, ["sub-C005"])["demo_sub-C005"]
    shown = f"{row['gap_cole']:+.1f}".replace("-", "−")
    assert f"{shown} years corrected gap, Cole's scale, α = 0.82" in page.text
    assert "sub-C005" in page.text and "scanner C2" in page.text
    raw = f"{row['predicted_age']:.1f}"
    assert raw not in re.sub(r"Age at the scan \S+ years", "", page.text)


def test_new_site_is_flagged_and_has_no_percentile(study, write):
    page = write(study, ["sub-C005"])["demo_sub-C005"]
    assert "The model was not trained on any scan from this site." in page.text
    assert "Healthy people from this site in the reference: 0 (20 required)." in page.text
    assert "the wider range for sites outside it is used and no percentile" in page.text
    assert "of 100 healthy people about" not in page.text.lower()


@pytest.mark.parametrize(
    ("gap", "headline", "text"),
    [
        (0.0, "as old as expected for age, by the wider range", NOT_RULED_OUT),
        (90.0, "older than expected for age, even by the wider", "The result does not say why"),
        (-90.0, "younger than expected for age, even by the wider", "no established clinical"),
    ],
)
def test_new_site_gets_the_fixed_sentences_too(gap, headline, text, edited, write):
    inputs = edited(gaps=change_gaps("sub-C005", gap_cole=gap, in_age_range=True))
    page = write(inputs, ["sub-C005"])["demo_sub-C005"]
    assert headline in page.text
    assert text in page.text
    assert "a new scanner alone can shift the gap by years." in page.text


@pytest.mark.parametrize(
    ("gap", "expected"),
    [
        (0.0, "The brain looks as old as expected for age."),
        (40.0, "The brain looks older than in 90 or more (95 % interval"),
        (-40.0, "The brain looks younger than expected for age."),
    ],
)
@pytest.mark.slow
def test_known_site_gets_the_fixed_sentences(gap, expected, edited, write):
    inputs = edited(
        scans=lambda frame: local_site(many_at_one_site(frame)),
        gaps=lambda frame: change_gaps("sub-C001", gap_cole=gap, in_age_range=True)(
            local_site(many_at_one_site(frame))
        ),
    )
    page = write(inputs, ["sub-C001"])["demo_sub-C001"]
    assert expected in page.text
    if gap == 0:
        assert NOT_RULED_OUT in page.text
        assert re.search(r"in this study \d+ of 1\d people with AD are inside it", page.text)
    if gap > 0:
        assert "5 of 100 healthy people also lie above the range" in page.text
        assert "The result does not say why" in page.text
    if gap < 0:
        assert "no established clinical meaning" in page.text


def test_failed_quality_control_prints_no_number(study, write):
    page = write(study, ["sub-C006"])["demo_sub-C006"]
    assert "No result: every scan failed quality control." in page.text
    assert "Motion: sharpness far from the cohort's." in page.text
    assert "Cole's scale" not in page.text
    assert "svg" not in dict(page.tags)
    assert "no number" in page.text


def test_failed_scan_has_no_number_even_where_the_tables_hold_one(edited, write):
    def fail(frame):
        rows = frame["scan_id"].str.startswith("demo_sub-C002")
        frame.loc[rows, ["verdict", "reason"]] = ["fail", "a second head"]
        return frame

    page = write(edited(qc=fail), ["sub-C002"])["demo_sub-C002"]
    assert "No result" in page.text and "Cole's scale" not in page.text


def test_a_manual_decision_on_a_scan_is_named(edited, write):
    def keep(frame):
        rows = frame["scan_id"] == "demo_sub-C002_ses-3"
        reason = "kept by manual decision (only the nose is cut); automatic verdict: fail: stripes"
        frame.loc[rows, ["reason", "decision", "machine_verdict"]] = [reason, "keep", "fail"]
        return frame

    page = write(edited(qc=keep), ["sub-C002"])["demo_sub-C002"]
    assert "pass (manual decision)" in page.text
    assert "Quality control: kept by manual decision (only the nose is cut); automatic" in page.text


def test_later_failure_leaves_the_earlier_result_and_is_told(study, write):
    page = write(study, ["sub-C003"])["demo_sub-C003"]
    assert "A later scan (ses-3) failed quality control and has no number." in page.text
    assert "Scan ses-2" in page.text


def test_age_outside_the_reference_is_flagged_and_not_compared(edited, write):
    inputs = edited(gaps=change_gaps("sub-C001", in_age_range=False))
    page = write(inputs, ["sub-C001"])["demo_sub-C001"]
    assert "Age outside the reference (21.0 to 85.0 years)." in page.text
    assert "Outside the ages of the healthy reference: not compared." in page.text
    assert "expected for age" not in page.text


def test_fewer_than_forty_give_no_range(edited, write):
    def few(frame):
        people = sorted(set(frame.loc[frame["role"] == "calibration", "participant_id"]))
        return frame[~frame["participant_id"].isin(people[39:])]

    page = write(edited(gaps=few), ["sub-C001"])["demo_sub-C001"]
    assert "there are 39 healthy people to compare with, and 40 are required" in page.text
    assert "Shaded" not in page.text


@pytest.mark.slow
def test_no_line_across_a_change_of_scanner(edited, write):
    def other(frame):
        frame.loc[frame["scan_id"] == "demo_sub-C001_ses-3", "scanner"] = "another"
        return frame

    def lines(page):
        return [t for t, a in page.tags if t == "line" and a.get("stroke") == "#D55E00"]

    same = write(edited(), ["sub-C001"])["demo_sub-C001"]
    changed = write(edited(scans=other, gaps=other), ["sub-C001"])["demo_sub-C001"]
    assert len(lines(same)) == 2 and len(lines(changed)) == 1
    assert "The test-retest variability of the gap on this scanner is not known" in same.text
    assert "The scanner changed between the visits" in changed.text


def test_people_who_trained_the_model_get_no_number(study, write):
    splits = read_table(study["splits"], SPLITS)
    for role, words in (
        ("train", "was trained on this person"),
        ("calibration", "part of the healthy reference"),
    ):
        name = splits.loc[splits["role"] == role, "participant_id"].iloc[0]
        page = write(study, [name])[f"demo_{name}"]
        assert words in page.text
        assert "Cole's scale" not in page.text


def test_scan_without_age_says_why(study, write):
    page = write(study, ["sub-H003"])["demo_sub-H003"]
    assert "No age in the tables." in page.text
    assert "There is no picture of this scan." not in page.text


def test_unknown_person_in_the_config_is_named(study, write):
    with pytest.raises(InputError, match="'sub-Nobody'"):
        write(study, ["sub-Nobody"])


@pytest.mark.slow
def test_no_rows_and_nobody_make_an_index(edited, write, tmp_path):
    for people in ("clinical", "all", "none"):
        assert write(edited(scans=empty, gaps=empty, reference=empty), people) == {}
    page = check_page(tmp_path / "people" / "index.html", tmp_path)
    assert "no pages" in page.text


def test_hostile_words_are_escaped(edited, write, tmp_path):
    attack = "<script>alert(1)</script>\"'&"

    def change(frame):
        return frame.assign(scanner=attack)

    def reason(frame):
        return frame.assign(verdict="warn", reason=attack)

    page = write(edited(scans=change, gaps=change, qc=reason), ["sub-C001"])["demo_sub-C001"]
    assert attack in page.text
    for path in (tmp_path / "people").glob("*.html"):
        assert "<script" not in path.read_text()


@pytest.mark.slow
def test_same_input_gives_the_same_bytes(study, settings, tmp_path):
    for name in ("one", "two"):
        write_person_pages(study, study["derivatives"], tmp_path / name, settings)
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_encoder_is_named_by_its_hash(study, settings, tmp_path):
    import hashlib

    weights = tmp_path / "fold-0_seed-1" / "encoder.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(b"weights")
    settings["report"]["people"] = ["sub-C001"]
    inputs = {**study, "encoders": [weights]}
    path = write_person_pages(inputs, study["derivatives"], tmp_path / "people", settings)[0]
    assert hashlib.sha256(b"weights").hexdigest()[:12] in path.read_text()


@pytest.mark.slow
def test_page_prints_to_one_sheet(edited, settings, tmp_path, chromium, browser):
    def visits(frame):
        # Six visits, the most that a sheet shows.
        own = frame[frame["participant_id"] == "sub-C001"].copy()
        own["session_id"] = own["session_id"].replace(new)
        own["scan_id"] = "demo_sub-C001_" + own["session_id"]
        own[["age", "years_since_first"]] += 4.5
        return pd.concat([frame, own], ignore_index=True)

    def long(frame):
        own = frame[frame["scan_id"].str.startswith("demo_sub-C001")].copy()
        own["scan_id"] = [f"demo_sub-C001_{session}" for session in new.values()]
        frame = pd.concat([frame, own], ignore_index=True)
        frame["reason"] = "a reason of some length that says what is the matter with this scan"
        return frame.assign(verdict="warn")

    new = {f"ses-{i}": f"ses-{i + 3}" for i in (1, 2, 3)}

    def unlike(frame):
        far = {"embedding_percentile": 99.0, "image_percentile": 99.0, "unlike_training": "true"}
        half = {**far, "image_percentile": None}
        return change_gaps("sub-C003", **half)(change_gaps("sub-C001", **far)(visits(frame)))

    def one_scanner(frame):
        return frame.assign(site="demo/H1", scanner="tim")

    settings["report"]["people"] = ["sub-C001", "sub-C003"]
    inputs = edited(qc=long, scans=visits, gaps=unlike, predictions=one_scanner)
    inputs["derivatives"] = tmp_path / "imaging"
    for scan in ("demo_sub-C001_ses-6", "demo_sub-C003_ses-2"):
        target = derivative(inputs["derivatives"], scan, PICTURE)
        target.parent.mkdir(parents=True)
        target.write_bytes(picture())
    pages = write_person_pages(inputs, inputs["derivatives"], tmp_path / "people", settings)
    for page in pages:
        assert page.stat().st_size < 1_000_000
        out = tmp_path / "page.pdf"
        subprocess.run(
            [*chromium, "--no-pdf-header-footer", f"--print-to-pdf={out}", page.as_uri()],
            check=True,
            capture_output=True,
            timeout=120,
        )
        assert page.read_text().count('<th scope="row">ses-') in (3, 6)
        assert len(re.findall(rb"/Type\s*/Page\b", out.read_bytes())) == 1
        show(browser, page, A4, "print", 1100)  # higher than a sheet: no scroll bar takes width
        assert browser.execute_script(OVERLAP) <= 1, page.name
