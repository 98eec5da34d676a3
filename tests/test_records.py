from pathlib import Path
from types import SimpleNamespace

import pytest

from brainage.core.files import InputError, write_text
from brainage.core.layout import Layout
from brainage.records import require_recorded

ENCODER = "learning/lexp/fold-0_seed-1/encoder.safetensors"


@pytest.fixture
def workflow(tmp_path):
    """One finished training without a record, made with other settings."""
    output = tmp_path / ENCODER
    write_text(output, "weights")
    name = "lexp/fold-0_seed-1"
    write_text(tmp_path / "config" / "used" / "pretrain" / f"{name}.txt", "pretrain-old.json\n")
    params = SimpleNamespace(
        step="--threads 2 pretrain", name=name, settings=f"{tmp_path}/config/pretrain-new.json"
    )
    rule = SimpleNamespace(name="pretrain")
    without = SimpleNamespace(params=SimpleNamespace(), rule="all", output=[])
    job = SimpleNamespace(rule=rule, output=[str(output)], params=params)
    dag = SimpleNamespace(jobs=[without, job], forcerules=[], forcefiles=set())
    persistence = SimpleNamespace(has_metadata=lambda job: False)
    return SimpleNamespace(dag=dag, persistence=persistence, job=job, rule=rule)


def test_results_of_other_settings_without_a_record_are_refused(workflow, tmp_path):
    with pytest.raises(InputError) as refused:
        require_recorded(workflow, Layout(tmp_path))
    assert f"{ENCODER} was made with other settings" in str(refused.value)
    assert "pretrain-old.json" in str(refused.value)
    assert "--forcerun pretrain (" in str(refused.value)


def test_images_that_are_not_recorded_are_remarked(workflow, tmp_path, capsys):
    workflow.job.params.settings = workflow.job.params.settings.replace("new", "old")
    require_recorded(workflow, Layout(tmp_path))
    assert capsys.readouterr().err == ""
    workflow.job.params.images = "0f"
    require_recorded(workflow, Layout(tmp_path))
    assert "add --forcerun pretrain once" in capsys.readouterr().err
    workflow.persistence.has_metadata = lambda job: True
    require_recorded(workflow, Layout(tmp_path))
    assert capsys.readouterr().err == ""


def same(workflow):
    workflow.job.params.settings = workflow.job.params.settings.replace("new", "old")


def no_output(workflow):
    Path(workflow.job.output[0]).unlink()


@pytest.mark.parametrize(
    "change",
    [
        same,
        no_output,
        lambda workflow: setattr(workflow.persistence, "has_metadata", lambda job: True),
        lambda workflow: workflow.dag.forcerules.append(workflow.rule),
        lambda workflow: workflow.dag.forcefiles.update(workflow.job.output),
        lambda workflow: setattr(workflow.job.params, "name", "lexp/fold-0_seed-2"),
    ],
)
def test_what_snakemake_knows_or_makes_anyway_is_left_to_it(workflow, tmp_path, change):
    change(workflow)
    require_recorded(workflow, Layout(tmp_path))
