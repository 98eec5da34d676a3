#!/usr/bin/env bash
# Runs the demo and says where to look. Goes on where an interrupted run stopped.
set -euo pipefail
cd -P -- "$(dirname -- "$0")/.."
cores=${1:-$(nproc)}

# Snakemake keeps a cache in the home, which cannot be written everywhere.
cache=${XDG_CACHE_HOME:-${HOME:-}/.cache}
if ! mkdir -p -- "$cache" 2>/dev/null || [ ! -w "$cache" ]; then
    export XDG_CACHE_HOME="$PWD/.snakemake/cache"
fi

# Snakemake leaves its lock behind when it is killed. Take it away only where no live process
# works in this folder.
if [ -n "$(ls .snakemake/locks 2>/dev/null)" ]; then
    for process in /proc/[0-9]*; do
        if [ "$(readlink "$process/cwd" 2>/dev/null)" = "$PWD" ] &&
            tr '\0' ' ' <"$process/cmdline" 2>/dev/null | grep -qE '(snakemake|brainage) '; then
            echo "Another run works in this folder (process ${process#/proc/}); wait for it to end." >&2
            exit 1
        fi
    done
    echo "A run was interrupted here; it goes on where it stopped."
    python -m snakemake --unlock
fi
python -m snakemake --cores "$cores" --rerun-incomplete
python -m snakemake --report results/report.html
echo
echo "Done. Open in a browser:"
echo "  results/report/index.html         the study"
echo "  results/report/qc/index.html      everyone's mask and registration"
echo "  results/report/people/index.html  a page for each person of the clinical part"
echo "  results/report.html               Snakemake's own report: every step, every figure"
