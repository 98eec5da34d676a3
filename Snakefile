# brainage: from raw T1w heads to brain-age reports.
#
#   snakemake --cores 16 --use-conda                                   the demo, on simulated heads
#   snakemake --cores 16 --use-conda --configfile config/ixi.yaml      your own data
#
# Every key of the config: config/README.md. The packages, from first to last:
#   cohort -> imaging -> learning -> probing -> statistics -> reporting

from snakemake.utils import min_version

min_version("9.0")

# A config file on the command line replaces the demo's; the two are not merged.
if not workflow.overwrite_configfiles:

    configfile: f"{workflow.basedir}/config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/cohort.smk"
include: "workflow/rules/imaging.smk"
include: "workflow/rules/learning.smk"
include: "workflow/rules/probing.smk"
include: "workflow/rules/statistics.smk"
include: "workflow/rules/reporting.smk"


rule all:
    default_target: True
    input:
        **files("study_page", "quality_page", "people_page"),
        figures=rules.figures.output,
        truth=STUDY.file("truth_recovery") if STUDY.simulated else [],


# Every job is measured, as it has a log: scripts/fit_resources.py makes of it what jobs ask for.
for own in workflow.rules:
    for log in own.log:
        own.benchmark_modifier = own.log_modifier
        own.benchmark = f"{RESULTS}/benchmarks/{log[len(f'{RESULTS}/logs/'):-4]}.tsv"
