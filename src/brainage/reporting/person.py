"""The page of one person: one A4 sheet, fixed words, and no number where there can be none."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pandas as pd

from brainage.core import files
from brainage.core.derivatives import PICTURE, derivative
from brainage.core.files import InputError
from brainage.core.subjects import PERSON, first_scans, visit_order
from brainage.core.thresholds import LOW_ALPHA, MIN_LOCAL
from brainage.core.unlike import PERCENTILES
from brainage.reporting import band, pages, person_figure, person_words, words
from brainage.reporting import tables as tb
from brainage.reporting.band import Reference
from brainage.reporting.person_choice import chosen_people, file_name
from brainage.reporting.tables import Settings, Tables

NO_NUMBER = "no number"
MAX_VISITS = 6  # rows of the table of visits that fit the sheet
NO_ROLE = {
    "train": "the model was trained on this person, and no result is given for such people",
    "validation": (
        "this person was used to choose the model, and no result is given for such people"
    ),
    "calibration": "this person is part of the healthy reference",
}


def write_person_pages(
    results: tb.Inputs, derivatives: Path, out_folder: Path, settings: Settings
) -> list[Path]:
    """Write a page for each person that report.people asks for, and ``index.html``.

    Parameters
    ----------
    results
        Paths of scans, qc, splits, gaps and reference; `encoders` (optional) are paths of
        ``fold-<f>_seed-<s>/encoder.safetensors`` of the main experiment, whose hashes are named.
    derivatives
        Folder of the imaging results, for the pictures.
    out_folder
        Where ``<dataset>_<participant_id>.html`` are written.
    settings
        The whole config.

    Returns
    -------
    list of Path
        The pages, without the index.
    """
    tb.need(results, "scans", "qc", "gaps", "reference")
    tables = Tables(results)
    study = _Study(tables, derivatives, settings, _encoders(tables.paths("encoders")))
    listed, written = [], []
    for dataset, participant in chosen_people(tables, settings):
        name = file_name(dataset, participant)
        content = study.person(dataset, participant)
        page = Path(out_folder) / name
        if page in written:
            raise InputError(f"two people would have one page ({name}); rename one of them")
        pages.write_page("person.html", page, **content)
        written.append(page)
        listed.append({"file": name, **content})
    title = settings["report"]["title"].rstrip(".")
    pages.write_page("people.html", Path(out_folder) / "index.html", people=listed, title=title)
    return written


def _encoders(paths: list[Path]) -> dict[str, str]:
    """Return name of the training run (fold-<f>_seed-<s>) -> first digits of its weights' hash."""
    return {path.parent.name: files.sha256(path)[:12] for path in paths}


def _key(key: Any) -> tuple[str, str]:
    """Return the key of a group of one person's rows."""
    dataset, participant = key
    return str(dataset), str(participant)


class _Study:
    """What all persons' pages share."""

    def __init__(
        self, tables: Tables, derivatives: Path, settings: Settings, encoders: dict[str, str]
    ) -> None:
        self.settings, self.derivatives, self.encoders = settings, Path(derivatives), encoders
        self.main = tb.main_experiment(settings)
        scans = tables["scans"]
        # Every lookup of a person would else search the whole table again.
        ordered = visit_order(scans).reset_index(drop=True)
        self.scans = {_key(key): rows for key, rows in ordered.groupby(PERSON)}
        self.qc = tables["qc"].set_index("scan_id")[["verdict", "reason", "decision", "fault"]]
        gaps = tables["gaps"]
        gaps = gaps[(gaps["experiment"] == self.main) & gaps["gap_cole"].notna()]
        tests = gaps[gaps["role"] == "test"]
        self.gaps = {_key(key): rows for key, rows in tests.groupby(PERSON)}
        self.references = band.references(tables, settings)
        healthy = gaps[gaps["healthy"].astype(bool)]
        self.clouds = {
            fold: first_scans(healthy[healthy["fold"] == fold]) for fold in self.references
        }
        splits = tables["splits"]
        splits = splits[splits["experiment"] == self.main].drop_duplicates(PERSON)
        people = zip(splits["dataset"], splits["participant_id"], strict=True)
        self.roles = dict(zip(people, splits["role"], strict=True))
        self.trained = tb.trained_sites(tables, settings)
        self.one_scanner = tb.one_scanner(tables, settings, "the model")
        self.site_name = words.site_names(settings)
        self.cases = {fold: self._cases(tests, fold) for fold in self.references}
        self.name = words.experiment_names(settings).get(self.main, self.main)

    def _cases(self, tests: pd.DataFrame, fold: int) -> dict[str, str]:
        """Return, for the healthy and the wider range, how many of the last group are inside."""
        first = tb.with_group(first_scans(tests[tests["fold"] == fold]))
        groups = [
            g
            for g in tb.group_order(self.settings, list(first["group"]))
            if g not in self.settings["cohort"]["healthy"]
        ]
        found = {}
        for kind in ("band", "wide"):
            limits = getattr(self.references[fold], kind)
            if not groups or limits is None:
                found[kind] = ""
                continue
            values = first.loc[first["group"] == groups[-1], "gap_cole"]
            inside = int(values.between(*limits).sum())
            found[kind] = person_words.cases_clause(groups[-1], inside, len(values))
        return found

    def person(self, dataset: str, participant: str) -> dict[str, Any]:
        """Return everything that the template of a person's page asks for."""
        scans = self.scans[(dataset, participant)]
        scans = scans.join(self.qc, on="scan_id")
        gaps = self.gaps.get((dataset, participant))
        fold = None
        if gaps is not None:
            # Who is test in several folds is shown by the first, with its own reference.
            fold = int(gaps["fold"].min())
            columns = ["scan_id", "gap_cole", "in_age_range", *PERCENTILES, "unlike_training"]
            scans = scans.merge(gaps.loc[gaps["fold"] == fold, columns], on="scan_id", how="left")
        else:
            scans = scans.assign(gap_cole=float("nan"), in_age_range=False, unlike_training=None)
        # A failed scan has no number, whatever the tables hold.
        shown = scans["gap_cole"].notna() & scans["verdict"].isin(["pass", "warn"])
        reference = self.references.get(fold) if fold is not None else None
        if reference is None:
            shown[:] = False
        scans = scans.assign(shown=shown.to_numpy())
        good = scans[scans["shown"]]
        scan = good.iloc[-1] if len(good) else scans.iloc[-1]
        content = {
            "dataset": dataset,
            "participant": participant,
            "age": words.number(scan["age"]),
            "sex": words.SEX_NAMES.get(scan["sex"], "not given"),
            "site": self.site_name(scan["site"]) if scan["site"] else "not given",
            "scanner": scan["scanner"] or "not given",
            "group": scans["diagnosis"].iloc[0] or "not given",
            "visit": scan["session_id"] or scan["scan_id"],
            "verdict": words.verdict(scan),
            "reason": scan["reason"] or "",
            "picture": self._picture(str(scan["scan_id"])),
            "model": self._model(fold),
            "visits": self._visits(scans),
            "earlier": max(0, len(scans) - MAX_VISITS),
            "change": "",
            "gap": "",
            "alpha": "",
            "cloud": "",
            "cloud_words": "",
            "cautions": [],
            "flags": [],
        }
        if len(good) and reference is not None and fold is not None:
            content.update(self._result(scan, good, reference, fold))
        else:
            content.update(self._nothing(scans, (dataset, participant)))
        content["flags"] = self._flags(scan, scans, reference, bool(len(good)))
        return content

    def _result(
        self, scan: pd.Series, good: pd.DataFrame, reference: Reference, fold: int
    ) -> dict[str, Any]:
        gap = float(scan["gap_cole"])
        local = reference.at_site(scan["site"]) >= MIN_LOCAL
        limits = reference.band if local else reference.wide
        inside_ages = bool(scan["in_age_range"])
        found = person_words.result(
            gap, local, inside_ages, reference, self.cases[fold]["band" if local else "wide"]
        )
        healthy = self.clouds[fold]
        # Nobody is compared with themself.
        own = (healthy["dataset"] == scan["dataset"]) & (
            healthy["participant_id"] == scan["participant_id"]
        )
        healthy = healthy[~own]
        kind = "Range of 90 %" if local else "Wider range for other sites"
        drawing = person_figure.cloud(
            healthy,
            good,
            limits,
            (reference.age_low, reference.age_high),
            f"{kind} ({reference.n} healthy calibration people)",
            "Corrected gap (years)",
        )
        caption = (
            f"Dots: {len(healthy)} healthy people of this study, one scan each, none of them used "
            "to train the model. Diamonds: this person"
        )
        caption += ", the larger one the scan of the result." if len(good) > 1 else "."
        if limits is not None:
            caption += (
                f" Shaded: from {words.number(limits[0], sign=True)} to "
                f"{words.number(limits[1], sign=True)} years."
            )
        changed = ""
        if len(good) > 1:
            same = good["scanner"].fillna("").nunique() == 1
            years = float(good["age"].iloc[-1] - good["age"].iloc[0])
            changed = person_words.change(float(good["gap_cole"].iloc[0]), gap, years, same)
        return {
            "state": found["state"],
            "headline": found["headline"],
            "text": found["text"],
            "gap": words.number(gap, sign=True),
            "alpha": words.number(reference.alpha, 2),
            "cloud": drawing,
            "cloud_words": caption,
            "change": changed,
            "cautions": [text for text in (person_words.unlike(scan), self.one_scanner) if text],
        }

    def _nothing(self, scans: pd.DataFrame, person: tuple[str, str]) -> dict[str, Any]:
        """Return the words of a page without a number."""
        judged = scans[scans["set_aside"].isna()]
        failed = judged[judged["verdict"] == "fail"]
        role = self.roles.get(person)
        if len(failed) and len(failed) == len(judged):
            headline = "No result: the scan failed quality control."
            if len(failed) > 1:
                headline = "No result: every scan failed quality control."
            reasons = list(dict.fromkeys(failed["reason"].dropna()))
            text = words.capital("; ".join(reasons) or "no reason is given") + "."
            if failed["fault"].notna().all():
                headline = "No result: the image could not be used."
            else:
                text += " A number from such an image would be meaningless, so none is given."
            return {"state": "failed", "headline": headline, "text": text}
        if judged.empty:
            reasons = list(dict.fromkeys(scans["set_aside"].dropna()))
            text = words.capital("; ".join(reasons)) + "."
            return {
                "state": "set aside",
                "headline": "No result: the scan was not used.",
                "text": text,
            }
        if role in NO_ROLE:
            text = words.capital(NO_ROLE[role]) + "."
            return {"state": "no result", "headline": "No result for this person.", "text": text}
        text = (
            "There is no corrected gap for this person in the tables (see reference.tsv for why)."
        )
        return {"state": "no result", "headline": "No result for this person.", "text": text}

    def _visits(self, scans: pd.DataFrame) -> list[dict[str, str]]:
        rows = []
        for _, row in scans.tail(MAX_VISITS).iterrows():
            unjudged = "not used" if row["set_aside"] else "not judged"
            rows.append(
                {
                    "visit": row["session_id"] or row["scan_id"],
                    "age": words.number(row["age"]),
                    "scanner": row["scanner"] or "not given",
                    "gap": words.number(row["gap_cole"], sign=True) if row["shown"] else NO_NUMBER,
                    "verdict": words.verdict(row, unjudged),
                    "reason": next((t for t in row[["reason", "set_aside"]] if t == t and t), ""),
                }
            )
        return rows

    def _flags(
        self, scan: pd.Series, scans: pd.DataFrame, reference: Reference | None, result: bool
    ) -> list[str]:
        flags = []
        if result and reference is not None:
            if not bool(scan["in_age_range"]):
                flags.append(
                    f"Age outside the reference ({words.number(reference.age_low)} to "
                    f"{words.number(reference.age_high)} years)."
                )
            if not isinstance(scan["site"], str):
                flags.append("The site of this scan is not known.")
            elif scan["site"] not in self.trained:
                flags.append("The model was not trained on any scan from this site.")
            local = reference.at_site(scan["site"])
            if local < MIN_LOCAL:
                flags.append(
                    f"Healthy people from this site in the reference: {local} ({MIN_LOCAL} "
                    "required)."
                )
            if reference.alpha < LOW_ALPHA:
                flags.append(
                    f"α is {words.number(reference.alpha, 2)}: the noise of the gap is more than "
                    "doubled."
                )
            flags += [text for text in [person_words.not_compared(scan)] if text]
            later = scans[(scans.index > scan.name) & (scans["verdict"] == "fail")]
            for _, row in later.iterrows():
                visit = row["session_id"] or row["scan_id"]
                flags.append(f"A later scan ({visit}) failed quality control and has no number.")
        if scan["age_top_coded"]:
            flags.append("The age was given as a lower bound (89+).")
        if scan["verdict"] == "warn" or (result and isinstance(scan["decision"], str)):
            flags.append(f"Quality control: {str(scan['reason'] or 'warning').rstrip('.')}.")
        return flags

    def _picture(self, scan_id: str) -> str:
        """Return the picture as a data address, so that the page is one file; else nothing."""
        path = derivative(self.derivatives, scan_id, PICTURE)
        if not path.is_file():
            return ""
        return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")

    def _model(self, fold: int | None) -> str:
        text = f"experiment {self.main} ({self.name})"
        if fold is not None:
            text += f", fold {fold}"
            hashes = [
                f"{digest}" for run, digest in sorted(self.encoders.items())
                if run.startswith(f"fold-{fold}_")
            ]  # fmt: skip
            if hashes:
                text += f", encoder SHA-256 {words.listing(hashes)}"
        return text
