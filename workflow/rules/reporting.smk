"""Telling: figures, the study's page, the quality page, a page for each person."""


# All in one job: reading the tables and loading matplotlib takes longer than drawing.
rule figures:
    input:
        **TABLES,
    output:
        flow=report(
            results("figures/flow.svg"),
            caption="../report/flow.rst",
            category="People",
            labels={"figure": "From images to people"},
        ),
        accuracy=report(
            results("figures/accuracy.svg"),
            caption="../report/accuracy.rst",
            category="Age",
            labels={"figure": "Accuracy of the predicted age"},
        ),
        age_by_site=report(
            results("figures/age_by_site.svg"),
            caption="../report/age_by_site.rst",
            category="Age",
            labels={"figure": "Predicted age against age, by site"},
        ),
        site_predictability=report(
            results("figures/site_predictability.svg"),
            caption="../report/site_predictability.rst",
            category="Sites",
            labels={"figure": "How well the site can be told"},
        ),
        gap_by_diagnosis=report(
            results("figures/gap_by_diagnosis.svg"),
            caption="../report/gap_by_diagnosis.rst",
            category="Disease",
            labels={"figure": "Brain-age gap by diagnosis"},
        ),
        roc=report(
            results("figures/roc.svg"),
            caption="../report/roc.rst",
            category="Disease",
            labels={"figure": "Telling groups apart"},
        ),
        trajectories=report(
            results("figures/trajectories.svg"),
            caption="../report/trajectories.rst",
            category="Disease",
            labels={"figure": "Brain-age gap over time"},
        ),
        accuracy_and_diagnosis=report(
            results("figures/accuracy_and_diagnosis.svg"),
            caption="../report/accuracy_and_diagnosis.rst",
            category="Disease",
            labels={"figure": "Accuracy of age and of diagnosis"},
        ),
        grid_accuracy=report(
            results("figures/grid_accuracy.svg"),
            caption="../report/grid_accuracy.rst",
            category="Training size",
            labels={"figure": "Age error against training size"},
        ),
        grid_sites=report(
            results("figures/grid_sites.svg"),
            caption="../report/grid_sites.rst",
            category="Training size",
            labels={"figure": "Telling the site against training size"},
        ),
        grid_diagnosis=report(
            results("figures/grid_diagnosis.svg"),
            caption="../report/grid_diagnosis.rst",
            category="Training size",
            labels={"figure": "Age and diagnosis over all trainings"},
        ),
        training_curves=report(
            results("figures/training_curves.svg"),
            caption="../report/training_curves.rst",
            category="Training",
            labels={"figure": "Training curves"},
        ),
        truth=report(
            results("figures/truth.svg"),
            caption="../report/truth.rst",
            category="Truth",
            labels={"figure": "How well the simulated truth came back"},
        ),
    log:
        results("logs/figures.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        tables=named_tables,
        config=json.dumps(config, ensure_ascii=False),
        code=code("reporting"),
    shell:
        "python -m brainage figures {output.flow:q} --tables {params.tables:q}"
        " --settings {params.config:q} 2>&1 | tee {log}"


rule truth_recovery:
    input:
        **TABLES,
    output:
        report(
            results("statistics/truth_recovery.tsv"),
            caption="../report/truth_recovery.rst",
            category="Truth",
            labels={"figure": "Planted and recovered, as a table"},
        ),
    log:
        results("logs/truth_recovery.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        tables=named_tables,
        config=json.dumps(config, ensure_ascii=False),
        code=code("reporting"),
    shell:
        "python -m brainage truth-recovery {output:q} --tables {params.tables:q}"
        " --settings {params.config:q} 2>&1 | tee {log}"


rule study_page:
    input:
        **TABLES,
        remarks=results("cohort/remarks.json"),
        figures=rules.figures.output,
    output:
        report(
            results("report/index.html"),
            caption="../report/study.rst",
            category="Pages",
            labels={"figure": "The study's page"},
        ),
    log:
        results("logs/study_page.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        tables=named_tables,
        config=json.dumps(config, ensure_ascii=False),
        code=code("reporting"),
    shell:
        "python -m brainage study-page {output:q} --tables {params.tables:q}"
        " --figures {input.figures[0]:q} --remarks {input.remarks:q}"
        " --settings {params.config:q} 2>&1 | tee {log}"


rule quality_page:
    input:
        scans=results("cohort/scans.tsv"),
        qc=results("imaging/qc.tsv"),
    output:
        results("report/qc/index.html"),
    log:
        results("logs/quality_page.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        imaging=subpath(input.qc, parent=True),
        config=settings("report", "statistics", "cohort", "imaging", "quality"),
        code=code("reporting"),
    shell:
        "python -m brainage quality-page {output:q} --scans {input.scans:q} --qc {input.qc:q}"
        " --imaging {params.imaging:q} --settings {params.config:q} 2>&1 | tee {log}"


rule person_pages:
    input:
        **TABLES,
        encoders=[
            results(f"learning/{MAIN}/fold-{fold}_seed-{seed}/encoder.safetensors")
            for fold in FOLDS
            for seed in RUNS[MAIN]["seeds"]
        ],
    output:
        results("report/people/index.html"),
    log:
        results("logs/person_pages.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        tables=named_tables,
        imaging=subpath(input.qc, parent=True),
        config=json.dumps(config, ensure_ascii=False),
        code=code("reporting"),
    shell:
        "python -m brainage person-pages {output:q} --tables {params.tables:q}"
        " --encoders {input.encoders:q} --imaging {params.imaging:q}"
        " --settings {params.config:q} 2>&1 | tee {log}"
