"""A Slurm cluster of this machine alone, for as long as a test needs it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

# More cores than there may be, so that jobs wait for no other.
CONFIG = """\
ClusterName=one
SlurmctldHost={host}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=5,batch_sched_delay=0
ReturnToService=2
KillWait=5
MinJobAge=300
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=64000 Gres=gpu:2
PartitionName=cpu Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes={host} MaxTime=INFINITE State=UP
"""
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")


def missing() -> str | None:
    """Say what is missing to start a cluster, or None."""
    absent = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if absent:
        return f"no {', '.join(absent)}: apt-get install slurm-wlm munge"
    return None if os.geteuid() == 0 else "Slurm's daemons are started as root"


@contextlib.contextmanager
def slurm(folder: Path) -> Iterator[dict[str, str]]:
    """Start a cluster whose files are in a folder; yield the environment that finds it."""
    host = socket.gethostname().partition(".")[0]
    for name in ("state", "spool", "bin"):
        (folder / name).mkdir(parents=True)
    folder.chmod(0o755)
    config = folder / "slurm.conf"
    config.write_text(CONFIG.format(host=host, folder=folder, ports=_free_ports(2)))
    # Two files that are always there stand for two cards.
    cards = "".join(f"Name=gpu File=/dev/{name}\n" for name in ("null", "zero"))
    (folder / "gres.conf").write_text(f"AutoDetect=off\n{cards}")
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    # The plugin's job steps forget SLURM_CONF.
    srun = folder / "bin" / "srun"
    srun.write_text(f'#!/bin/sh\nSLURM_CONF={config} exec {shutil.which("srun")} "$@"\n')
    srun.chmod(0o755)
    path = f"{srun.parent}:{_path()}"
    environment = {**os.environ, "PATH": path, "SLURM_CONF": str(config)}
    files = {"key-file": "key", "log-file": "log", "seed-file": "seed", "pid-file": "pid"}
    munge = [f"--{option}={folder}/munge.{end}" for option, end in files.items()]
    try:
        # Forced, since temporary folders may be writable by a group.
        _start(["munged", "--force", f"--socket={folder}/munge.socket", *munge], environment)
        _start(["slurmctld", "-c", "-f", str(config)], environment)
        _start(["slurmd", "-c", "-f", str(config), "-N", host], environment)
        _until_idle(environment, folder)
        yield environment
    finally:
        for name in ("slurmd", "slurmctld", "munge"):
            _stop(folder / f"{name}.pid")


def ask(environment: dict[str, str], *command: str) -> str:
    """Return what one of Slurm's commands prints."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("", 0))
        return [each.getsockname()[1] for each in sockets]


def _start(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    assert done.returncode == 0, (command, done.stdout)


def _until_idle(environment: dict[str, str], folder: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        done = subprocess.run(
            ["sinfo", "--noheader", "--format=%T"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if set(done.stdout.split()) == {"idle"}:
            return
        if time.monotonic() > deadline:
            logs = [path.read_text() for path in sorted(folder.glob("slurm*.log"))]
            raise AssertionError("\n".join([done.stdout, done.stderr, *logs]))
        time.sleep(0.5)


def _stop(pid_file: Path) -> None:
    """End a daemon by its own number, and wait until it is gone."""
    if not pid_file.is_file():
        return
    pid = int(pid_file.read_text())
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        for _ in range(100):
            os.kill(pid, 0)
            time.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
