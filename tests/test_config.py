import pytest
import yaml

from brainage.config import complete, defaults, schema
from brainage.files import InputError

SMALL = "datasets:\n  mine:\n    kind: bids\n    path: /data\n"


def check(tmp_path, text):
    path = tmp_path / "my.yaml"
    path.write_text(text)
    return complete(yaml.safe_load(text), [path])


def test_defaults_are_filled_in_at_every_level(tmp_path):
    config = check(tmp_path, SMALL + "imaging: {voxel_size: 2}\n")
    assert config["imaging"]["voxel_size"] == 2
    assert config["imaging"]["skull_stripping"] == "template"
    assert config["datasets"]["mine"]["columns"] == {}
    assert config["experiments"]["lexp"] == config["learning"]
    assert config["learning"] == defaults("learning")


def test_an_experiment_overrides_what_it_names(tmp_path):
    config = check(
        tmp_path,
        SMALL
        + "learning: {epochs: 7, augmentation: {noise: 0.5}}\n"
        + "experiments: {a: {loss: l1}, b: {epochs: 3}}\nreport: {main_experiment: a}\n",
    )
    assert config["experiments"]["a"]["loss"] == "l1"
    assert config["experiments"]["a"]["epochs"] == 7
    assert config["experiments"]["b"]["epochs"] == 3
    assert config["experiments"]["b"]["augmentation"]["noise"] == 0.5


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            "imagign: {}\n",
            r"line 5: imagign: there is no such key; did you mean 'imaging'",
        ),
        (
            "imaging:\n  voxelsize: 2\n",
            r"line 6: imaging\.voxelsize: there is no such key; did you mean 'voxel_size'",
        ),
        (
            "imaging:\n  skull_stripping: deepbeet\n",
            r"line 6: imaging\.skull_stripping: 'deepbeet' is not allowed; "
            r"allowed: template, deepbet; did you mean 'deepbet'",
        ),
        ("seed: one\n", r"line 5: seed: 'one' is not of the right kind; needed: integer"),
        ("imaging: {grey_matter: true}\n", r"line 5: imaging\.grey_matter: .*registration: syn"),
        (
            "experiments:\n  lexp:\n    channels: [brain, grey_matter]\n",
            r"line 7: experiments\.lexp: .*imaging\.grey_matter: true",
        ),
        ("learning:\n  channels: [grey]\n", r"line 6: learning\.channels: \['grey'\] is not allo"),
        ("splits: {tune: 0.5, calibrate: 0.5}\n", r"line 5: splits: .* add up to 1"),
        ("experiments:\n  a: {lost: l1}\n", r"line 6: experiments\.a\.lost: there is no such key"),
        ("experiments:\n  a: {loss: l2}\n", r"line 6: experiments\.a\.loss: 'l2' is not allowed"),
        ("report: {main_experiment: x}\n", r"line 5: report\.main_experiment: 'x' is not an exp"),
    ],
)
def test_a_wrong_key_is_named_with_its_line(tmp_path, more, message):
    with pytest.raises(InputError, match=message):
        check(tmp_path, SMALL + more)


def test_the_folder_can_come_from_the_command_line(tmp_path):
    text = "datasets:\n  ixi:\n    kind: bids\n"
    with pytest.raises(InputError, match=r"datasets\.ixi\.path: .* --config bids=FOLDER"):
        check(tmp_path, text)
    assert check(tmp_path, text + "bids: /here\n")["datasets"]["ixi"]["path"] == "/here"


def test_a_config_without_data_is_refused(tmp_path):
    with pytest.raises(InputError, match="datasets: this key is needed"):
        check(tmp_path, "seed: 1\n")


def test_every_key_says_what_it_is():
    def walk(part, path):
        for key, sub in part.get("properties", {}).items():
            if "$ref" in sub:
                continue
            if "properties" not in sub:
                assert sub.get("description"), f"{path}.{key} has no description"
            walk(sub, f"{path}.{key}")

    walk(schema(), "config")
    for name, part in schema()["$defs"].items():
        walk(part, name)
