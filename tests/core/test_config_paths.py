"""Folders and names of a config that are refused before anything is written."""

import pytest
import yaml

from brainage.core.config import complete
from brainage.core.files import InputError


@pytest.fixture
def bids(tmp_path, monkeypatch):
    """A BIDS folder beside the folder that snakemake runs in."""
    folder = tmp_path / "bids {a}"
    folder.mkdir()
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "run")
    return folder


def check(bids, config):
    datasets = {"mine": {"kind": "bids", "path": str(bids)}}
    path = bids.parent / "my.yaml"
    path.write_text(yaml.safe_dump({"datasets": datasets, **config}, allow_unicode=True))
    return complete(yaml.safe_load(path.read_text()), [path])


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ("", "it is empty"),
        ("  ", "it is empty"),
        ("-rf", "begins with '-'"),
        ("~/results", "begins with '~'"),
        ("results/{loss}", "braces"),
        ("a}b", "braces"),
        ("/", "root of the disk"),
        ("//", "root of the disk"),
        ("../" * 50, "root of the disk"),
        ("../bids {a}", "braces"),
        ("results\n", "line break"),
        ("res\x07ults", "line break or another control character"),
        ("res\udcffults", "not UTF-8"),
    ],
)
def test_a_folder_of_results_that_would_do_harm_is_refused(bids, results, message):
    with pytest.raises(InputError, match=r"^\S+my\.yaml, line \d+: results: ") as caught:
        check(bids, {"results": results})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "results",
    [
        *("../data", "../data/", "../run/../data/.", "../link", "../data/sub-01", "../data/x"),
        *("../data/derivatives", "../data/derivatives/../x", "../data/derivatives/..", ".."),
    ],
)
def test_results_inside_a_data_set_are_refused(bids, results):
    folder = bids.rename(bids.with_name("data"))
    (bids.parent / "link").symlink_to(folder)
    if results == "..":  # our own folder of that name would be the data set's
        folder = folder.rename(folder.with_name("imaging"))
    with pytest.raises(InputError, match=r"line \d+: results: .* data set mine.*derivatives"):
        check(folder, {"results": results})


@pytest.mark.parametrize(
    "results", ["../data/derivatives/brainage", "../data2", "..", "résultats 'a' \"b\" $HOME; c"]
)
def test_results_beside_a_data_set_or_among_its_derivatives_are_not(bids, results):
    folder = bids.rename(bids.with_name("data"))
    assert check(folder, {"results": results})["results"] == results


def test_the_folder_of_results_has_one_spelling(bids):
    # Snakemake warns of other spellings, and the same folder would be other parameters.
    assert check(bids, {"results": "./a//b/"})["results"] == "a/b"


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ({"experiments": {"lexp\n": {}}}, r"experiments\.'lexp\\n'"),
        ({"datasets": {"a\n": {"kind": "simulated"}}}, r"datasets\.'a\\n'"),
        ({"statistics": {"groups": ["CN", "AD\n"]}}, r"statistics\.groups\.1"),
        ({"cohort": {"healthy": ["CN\n"]}}, r"cohort\.healthy\.0"),
        ({"report": {"title": "Brain\tage"}}, r"report\.title"),
        ({"datasets": {"a": {"kind": "bids", "path": "/data\n"}}}, r"datasets\.a\.path"),
    ],
)
def test_text_over_more_than_a_line_is_refused_wherever_it_stands(bids, config, key):
    with pytest.raises(InputError, match=rf"my\.yaml(, line \d+)?: {key}: .* line break"):
        check(bids, config)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"experiments": {"-rf": {}}}, "experiments: '-rf' .*beginning with a letter or digit"),
        ({"experiments": {"a b": {}}}, "experiments: 'a b' .*letters, digits, hyphens and under"),
        ({"datasets": {"-rf": {"kind": "simulated"}}}, "datasets: '-rf' .*beginning with a letter"),
        ({"experiments": {"median": {}}}, "experiments: 'median' .*predictors without an encoder"),
        ({"container": "a.sif; reboot"}, "container: 'a.sif; reboot' .*letters, digits and / . _"),
        ({"container": "-rf"}, "container: '-rf' "),
        ({"quality": {"decisions": ""}}, "quality.decisions: '' should be non-empty"),
        ({"probing": {"regions": ""}}, "probing.regions: '' should be non-empty"),
        ({"imaging": {"template": ""}}, "imaging.template: '' should be non-empty"),
    ],
)
def test_names_that_would_be_options_and_empty_paths_are_refused(bids, config, message):
    with pytest.raises(InputError, match=message):
        check(bids, config)
