"""The picture: each raw head to a brain on the template's grid, and its quality."""


# Neither scans.tsv nor the splits go in: a corrected age runs nobody's imaging again.
rule preprocess:
    input:
        chunk_images,
    output:
        results("imaging/chunks/{dataset}_{chunk}.tsv"),
    log:
        results("logs/preprocess/{dataset}_{chunk}.log"),
    benchmark:
        results("benchmarks/preprocess/{dataset}_{chunk}.tsv")
    retries: 1
    conda:
        "../../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 3000 * attempt,
        runtime=lambda wildcards, attempt: 120 * attempt,
    params:
        folder=subpath(output[0], ancestor=2),
        settings=settings("imaging"),
        scans=chunk_scans_by_id,
        code=room_hash("imaging", of_each_scan=True),
    shell:
        "python -m brainage preprocess {params.folder:q} --table {output:q}"
        " --settings {params.settings:q} --scans {params.scans:q} 2>&1 | tee {log}"


rule quality:
    input:
        scans=results("cohort/scans.tsv"),
        tables=[
            results(f"imaging/chunks/{dataset}_{chunk}.tsv")
            for dataset, chunks in CHUNKS.items()
            for chunk in chunks
        ],
        # A person's word, read from the settings below.
        decisions=config["quality"]["decisions"] or [],
    output:
        results("imaging/qc.tsv"),
    log:
        results("logs/quality.log"),
    conda:
        "../../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        folder=subpath(output[0], parent=True),
        # Thousands of paths would not fit on a command line.
        chunks=json.dumps({dataset: [*map(int, chunks)] for dataset, chunks in CHUNKS.items()}),
        settings=settings("quality"),
        code=code("imaging"),
    shell:
        "python -m brainage quality {output:q} --scans {input.scans:q} --imaging {params.folder:q}"
        " --chunks {params.chunks:q} --settings {params.settings:q} 2>&1 | tee {log}"


rule regions:
    input:
        qc=results("imaging/qc.tsv"),
    output:
        results("imaging/regions.tsv"),
    log:
        results("logs/regions.log"),
    conda:
        "../../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        imaging=subpath(input.qc, parent=True),
        code=code("imaging"),
    shell:
        "python -m brainage regions {output:q} --qc {input.qc:q} --imaging {params.imaging:q}"
        " 2>&1 | tee {log}"
