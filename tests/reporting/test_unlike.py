"""What pages say of scans unlike the training data, and of a model of one scanner."""

import pytest

from brainage.reporting.sections import unlike
from brainage.reporting.study import headline
from brainage.reporting.tables import Tables
from tests.reporting.conftest import change_gaps, empty

pytestmark = pytest.mark.slow


def test_model_of_one_scanner_is_said_to_be_so_in_the_first_line(edited, settings):
    def trained(**values):
        def change(frame):
            train = frame["role"] == "train"
            return frame.assign(**{k: frame[k].mask(train, v) for k, v in values.items()})

        return change

    def internal(frame):
        return frame[frame["people"] != "external"]

    def first_line(predictions, **others):
        return headline(Tables(edited(predictions=predictions, **others)), settings)[0]

    one = trained(site="demo/H1", scanner="tim")
    can = "errors on other scanners can exceed ten years."
    own = " L^exp was trained on scans of one "
    assert first_line(one).endswith(f"{own}scanner (site H1): {can}")
    for accuracy_table in (internal, empty):
        text = first_line(one, accuracy=accuracy_table)
        assert "errors on other scanners are unknown and can exceed" in text
    # Without the name of the scanner only the site is known, and without a site only the scanner.
    assert first_line(trained(site="demo/H1", scanner=None)).endswith(f"{own}site (H1): {can}")
    unsure = " As far as the tables say, L^exp was trained on scans of one scanner (tim): "
    assert unsure in first_line(trained(site=None, scanner="tim"))
    unknown = first_line(trained(site=None, scanner=None))
    assert "The tables do not say on how many scanners L^exp was trained: " in unknown
    # A site with two scanners, or one of two sites without a scanner, is not one scanner.
    assert "scanner" not in first_line(trained(site="demo/H1"))
    assert "scanner" not in first_line(trained(scanner=None))
    assert "scanner" not in first_line(empty)


def test_a_few_scans_without_a_site_make_no_second_scanner(edited, settings):
    def mostly_known(frame):
        train = frame["role"] == "train"
        site = frame["site"].mask(train, "demo/H1")
        first = frame.index[train][:3]
        site[first] = None
        return frame.assign(site=site, scanner=frame["scanner"].mask(train, None))

    text = headline(Tables(edited(predictions=mostly_known)), settings)[0]
    assert "As far as the tables say, L^exp was trained on scans of one site (H1): " in text


def test_scans_unlike_the_training_data_are_counted_by_site(page, study, edited, settings):
    read, _ = page
    assert "Test people whose scan is unlike the training data, with exact" in read.text
    assert "trained on scans of 4 sites (4 scanners)." in read.text
    rows = {(row[0], row[2]): row for row in unlike.table(Tables(study), settings).rows}
    assert rows["C1", "healthy"][1] == "no" and rows["H1", "healthy"][1] == "yes"
    assert rows["C1", "healthy"][3:5] == ["6", "0 [0 to 46]"]  # 1 - 0.025^(1/6)
    n = rows["C2", "others"][3]
    assert rows["C2", "others"][5:] == [f"0 of {n}", f"{n} of {n}"]
    assert rows["C2", "others"][4].startswith("100 [")

    def nothing(frame):
        return frame.assign(embedding_percentile=None, image_percentile=None, unlike_training=None)

    assert "training people" in str(unlike.reason(Tables(edited(gaps=nothing)), settings))


def test_with_whom_scans_are_compared_is_told(study, edited, settings):
    def roles(calibration, validation=0):
        def change(frame):
            people = sorted(set(frame.loc[frame["role"] == "calibration", "participant_id"]))
            number = frame["participant_id"].map({name: i for i, name in enumerate(people)})
            chosen = number.between(calibration, calibration + validation - 1)
            frame["role"] = frame["role"].mask(chosen, "validation")
            return frame[number.isna() | (number < calibration + validation)]

        return unlike.compared_with(Tables(edited(predictions=change)), settings)

    assert "among 42 calibration people at training sites." in unlike.compared_with(
        Tables(study), settings
    )
    few = roles(calibration=12)
    assert "among 12 calibration people at training sites; with fewer than 39" in few
    few = roles(calibration=12, validation=8)
    assert "among 12 calibration and 8 validation people at training sites; with" in few
    assert "Fewer than 10 calibration and validation people" in roles(calibration=3)


def test_a_scan_unlike_the_training_data_is_said_to_be_so_first(study, edited, write):
    words = "This scan is unlike the training scans in "
    pages = write(study, ["sub-C004", "sub-C001"])  # the pictures of C2 are unlike, those of C1 not
    far, near = pages["demo_sub-C004"].text, pages["demo_sub-C001"].text
    assert f"{words}contrast and noise of the image: the predicted age may be wrong" in far
    assert far.index(words) < far.index("Corrected gap".lower())
    assert words not in near and "Not compared" not in near

    both = change_gaps("sub-C001", embedding_percentile=99.0, unlike_training="true")
    page = write(edited(gaps=both), ["sub-C001"])["demo_sub-C001"]
    assert f"{words}what the model computes from the brain: the predicted" in page.text
    one = change_gaps("sub-C001", image_percentile=None)
    page = write(edited(gaps=one), ["sub-C001"])["demo_sub-C001"]
    assert "Not compared with the training scans: contrast and noise of the image." in page.text
    none = change_gaps(
        "sub-C001", embedding_percentile=None, image_percentile=None, unlike_training=None
    )
    page = write(edited(gaps=none), ["sub-C001"])["demo_sub-C001"]
    assert words not in page.text
    assert "Whether this scan is like the training scans is not known." in page.text


def test_a_model_of_one_scanner_is_said_to_be_one_before_the_result(edited, write):
    def one(frame):
        train = frame["role"] == "train"
        return frame.assign(
            site=frame["site"].mask(train, "demo/H1"), scanner=frame["scanner"].mask(train, "tim")
        )

    words = "The model was trained on scans of one scanner (site H1): errors on other scanners can"
    text = write(edited(predictions=one), ["sub-C001"])["demo_sub-C001"].text
    assert text.index(words) < text.index("Result")
    assert "one scanner" not in write(edited(), ["sub-C001"])["demo_sub-C001"].text
