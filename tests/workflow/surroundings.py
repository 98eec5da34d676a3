"""Places and surroundings in which the workflow gives what it gives anywhere."""

import os
import shutil
import subprocess
import warnings

from tests.conftest import ROOT

TREE = ("Snakefile", "workflow", "src", "config", "envs", "requirements", "profiles")
# What means something to a shell, to make or to YAML, and letters beyond ASCII.
NAME = """a 'b' "c" $HOME `d` & #e; \\ü"""
BRACES = NAME + " {f}"
# Without a network, a home that can be written, and readers other than the owner.
INSIDE = 'mount -t tmpfs -o ro none "$HOME" && umask 077 && exec "$@"'
# Where unshare may not be used.
WITH_NETWORK = 'umask 077 && exec "$@"'


def copy_tree(folder):
    """Copy what of the repository the workflow needs."""
    folder.mkdir()
    for name in TREE:
        source = ROOT / name
        if source.is_dir():
            left_out = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(source, folder / name, ignore=left_out)
        else:
            shutil.copy(source, folder / name)
    return folder


def confined(command, folder):
    """Return a command, and the environment for it, that runs it in hostile surroundings.

    Where this user may not take network and home away, a warning says that they stayed.
    """
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    unshare = ["unshare", *user, "--net", "--mount"]
    inside = INSIDE
    if not shutil.which("unshare") or subprocess.run([*unshare, "true"], check=False).returncode:
        warnings.warn("unshare may not be used here: network and home stay", stacklevel=2)
        unshare, inside = [], WITH_NETWORK
    home = folder / "home"
    home.mkdir(exist_ok=True)
    environment = {
        **{"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C", "TZ": "Asia/Tokyo"},
        **{f"{name}_NUM_THREADS": "3" for name in ("OMP", "MKL", "OPENBLAS")},
        # Snakemake itself needs a place for its cache.
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    return [*unshare, "sh", "-c", inside, "sh", *command], environment
