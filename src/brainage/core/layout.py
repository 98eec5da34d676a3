"""Paths of all result files, for rules and commands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# By the name that rules and commands know a file by; a name in braces is filled in.
FILES = {
    "settings_used": "config/used/{step}/{of}.txt",
    "participants": "simulated/{dataset}/participants.tsv",
    "truth": "simulated/{dataset}_truth.tsv",
    "simulated_images": "simulated/{dataset}_images/{chunk}.tsv",
    "dataset_scans": "cohort/datasets/{dataset}.tsv",
    "dataset_remarks": "cohort/datasets/{dataset}.json",
    "scans": "cohort/scans.tsv",
    "splits": "cohort/splits.tsv",
    "measures": "imaging/chunks/{dataset}_{chunk}.tsv",
    "qc": "imaging/qc.tsv",
    "regions": "imaging/regions.tsv",
    "brains": "learning/store/brains.npy",
    "grey_matter": "learning/store/grey_matter.npy",
    "store_index": "learning/store/index.tsv",
    "store_info": "learning/store/store.json",
    "encoder": "learning/{training}/encoder.safetensors",
    "encoder_description": "learning/{training}/encoder.json",
    "training_history": "learning/{training}/history.tsv",
    "embeddings": "learning/{training}/embeddings.npy",
    "embedding_index": "learning/{training}/embeddings.tsv",
    "predictions_of": "probing/{training}/predictions.tsv",
    "site_probe_of": "probing/{training}/site_probe.tsv",
    "diagnosis_scores_of": "probing/{training}/diagnosis_scores.tsv",
    "predictions": "probing/predictions.tsv",
    "site_probe": "probing/site_probe.tsv",
    "diagnosis_scores": "probing/diagnosis_scores.tsv",
    "grid_predictions": "probing/grid/predictions.tsv",
    "grid_site_probe": "probing/grid/site_probe.tsv",
    "grid_diagnosis_scores": "probing/grid/diagnosis_scores.tsv",
    "gaps": "statistics/gaps.tsv",
    "reference": "statistics/reference.tsv",
    "accuracy": "statistics/accuracy.tsv",
    "groups": "statistics/groups.tsv",
    "roc": "statistics/roc.tsv",
    "roc_curves": "statistics/roc_curves.tsv",
    "slopes": "statistics/slopes.tsv",
    "person_slopes": "statistics/person_slopes.tsv",
    "grid_accuracy": "statistics/grid_accuracy.tsv",
    "grid_sites": "statistics/grid_sites.tsv",
    "grid_diagnosis": "statistics/grid_diagnosis.tsv",
    "truth_recovery": "statistics/truth_recovery.tsv",
    "figure": "figures/{figure}.svg",
    "study_page": "report/index.html",
    "quality_page": "report/qc/index.html",
    "people_page": "report/people/index.html",
}
FOLDERS = {
    "simulated": "simulated/{dataset}",
    "imaging": "imaging",
    "store": "learning/store",
    "training": "learning/{training}",
    "checkpoints": "checkpoints",
    "finished": "finished",
    "figures": "figures",
    "locks": "logs/locks",
}


@dataclass(frozen=True)
class Layout:
    """The files of one folder of results.

    Attributes
    ----------
    results
        The folder.
    """

    results: Path

    def file(self, name: str, **names: object) -> Path:
        """Path of a file of :data:`FILES`, such as ``file("embeddings", training=training)``."""
        return self.results / FILES[name].format(**names)

    def folder(self, name: str, **names: object) -> Path:
        """Path of a folder of :data:`FOLDERS`."""
        return self.results / FOLDERS[name].format(**names)

    def settings_used(self, step: str, of: str) -> Path | None:
        """Path of the settings that a step's results were made with, where that was noted."""
        try:
            note = self.file("settings_used", step=step, of=of).read_text(encoding="utf-8")
        except OSError:
            return None
        return self.results / "config" / note.strip()
