import pytest
import yaml

from brainage.core.config import complete, defaults, schema
from brainage.core.files import InputError

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
    # Of the keys of a loss an experiment has those that its own takes.
    lexp = config["experiments"]["lexp"]
    assert lexp.items() <= config["learning"].items()
    assert set(config["learning"]) - set(lexp) == {"bin_width", "normaliser"}
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


def test_an_experiment_may_have_seeds_of_its_own(tmp_path):
    config = check(
        tmp_path,
        SMALL
        + "seeds: [4]\nexperiments: {a: {seeds: [1, 2]}, b: }\nreport: {main_experiment: a}\n",
    )
    assert {name: run["seeds"] for name, run in config["runs"].items()} == {"a": [1, 2], "b": [4]}
    assert "seeds" not in config["experiments"]["a"]
    with pytest.raises(InputError, match=r"experiments\.lexp\.seeds"):
        check(tmp_path, SMALL + "experiments: {lexp: {seeds: [1, 1]}}\n")


def test_a_key_that_one_experiment_takes_may_stand_for_all(tmp_path):
    config = check(
        tmp_path,
        SMALL
        + "learning: {bandwidth: 5}\n"
        + "experiments:\n"
        + "  {lexp: {loss: exp}, l1: {loss: l1}, t: {loss: threshold, form: released}}\n",
    )
    assert config["experiments"]["lexp"]["bandwidth"] == 5
    assert config["experiments"]["t"]["form"] == "released"


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
        ("seed: one\n", r"line 5: seed: 'one' has the wrong type; required: integer"),
        ("imaging: {grey_matter: true}\n", r"line 5: imaging\.grey_matter: .*registration: syn"),
        (
            "experiments:\n  lexp:\n    channels: [brain, grey_matter]\n",
            r"line 7: experiments\.lexp: .*imaging\.grey_matter: true",
        ),
        ("learning:\n  channels: [grey]\n", r"line 6: learning\.channels: \['grey'\] is not allo"),
        ("splits: {validation: 0.5, calibration: 0.5}\n", r"line 5: splits: .* add up to 1"),
        ("experiments:\n  a: {lost: l1}\n", r"line 6: experiments\.a\.lost: there is no such key"),
        ("experiments:\n  a: {loss: l2}\n", r"line 6: experiments\.a\.loss: 'l2' is not allowed"),
        ("report: {main_experiment: x}\n", r"line 5: report\.main_experiment: 'x' is not an exp"),
        (
            "experiments:\n  lexp: {}\n  a:\n    loss: l1\n    bandwidth: 5\n",
            r"line 9: experiments\.a\.bandwidth: the loss l1 does not use it, .* y_aware",
        ),
        (
            "learning:\n  normaliser: rivals\n",
            r"line 6: learning\.normaliser: the loss exp does not use it, .* for threshold",
        ),
        (
            "experiments:\n  lexp: {}\n  a:\n"
            "    {loss: threshold, form: released, normaliser: rivals}\n",
            r"line 8: experiments\.a\.normaliser: the released form supports normaliser sum only",
        ),
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
    with pytest.raises(InputError, match="datasets: this key is required"):
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


@pytest.mark.parametrize("rates", ["[0.1]", "[0.1, 0.1]", "[0.1, 0.0]", "0.0", "fast"])
def test_a_learning_rate_is_a_number_or_a_choice_of_several(tmp_path, rates):
    good = check(tmp_path, SMALL + "learning: {learning_rate: [0.1, 0.2]}\n")
    assert good["experiments"]["lexp"]["learning_rate"] == [0.1, 0.2]
    with pytest.raises(InputError, match=r"line 5: learning\.learning_rate"):
        check(tmp_path, SMALL + f"learning: {{learning_rate: {rates}}}\n")


def test_grid_makes_a_cell_of_each_part(tmp_path):
    text = (
        SMALL
        + "  other: {kind: simulated}\nexperiments: {lexp: {loss: exp}, l1: {loss: l1}}\n"
        + "grid: {experiments: [l1], fractions: [0.5, 0.25], datasets: [[other]]}\n"
    )
    runs = check(tmp_path, text)["runs"]
    assert list(runs) == [
        *("lexp", "l1", "l1.all.0.25", "l1.all.0.5"),
        *("l1.other.0.25", "l1.other.0.5", "l1.other.1"),
    ]
    assert runs["l1.other.0.5"] == {
        "of": "l1", "seeds": [1], "datasets": ["other"], "fraction": 0.5
    }  # fmt: skip
    assert runs["lexp"]["of"] == "lexp" and runs["lexp"]["datasets"] is None
    with pytest.raises(InputError, match=r"line 7: grid.datasets: there is no 'others'"):
        check(tmp_path, text.replace("[[other]]", "[[others]]"))
    with pytest.raises(InputError, match=r"grid.experiments: there is no 'l2'"):
        check(tmp_path, text.replace("[l1]", "[l2]"))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("splits: {tune: 0.1}\n", r"splits\.tune: .*it is called 'validation' now"),
        ("splits: {least_fit: 5}\n", r"splits\.least_fit: .*it is called 'min_train' now"),
        ("quality: {maximum_rotation: 5}\n", r"quality\.maximum_rotation: .*'max_rotation' now"),
        ("learning: {choose_epoch: tune}\n", r"choose_epoch: 'tune' .*did you mean 'validation'"),
    ],
)
def test_a_key_that_was_renamed_names_the_new_one(tmp_path, more, message):
    with pytest.raises(InputError, match=message):
        check(tmp_path, SMALL + more)
