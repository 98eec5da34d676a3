#!/usr/bin/env bash
# What needs torch, and torch itself: pip checks the hashes of all packages or of none, and those of
# torch depend on where it comes from. Snakemake runs this after it has made the environment.
# Made by scripts/environments.py from requirements/; do not edit.
set -euo pipefail
python -m pip install --no-deps --require-hashes -r /dev/stdin <<'END'
monai==1.6.1 \
    --hash=sha256:dbd3b1dd309e752e0477ed73fde03b92f80ac74bfb8a8c4260f018b5d6ab2b0b \
    --hash=sha256:e24ae4bb944f1779b7a6445acc4ff2efd9cc504d05dffe2498c49af117350136
END
python -m pip install --constraint /dev/stdin torch <<'END'
cuda-bindings==13.5.0 ; python_full_version < '3.15' and sys_platform == 'linux'
cuda-pathfinder==1.9.1 ; python_full_version < '3.15' and sys_platform == 'linux'
cuda-toolkit==13.0.3.0 ; sys_platform == 'linux'
nvidia-cublas==13.1.1.3 ; sys_platform == 'linux'
nvidia-cuda-cupti==13.0.85 ; (platform_machine == 'aarch64' or platform_machine == 'x86_64') and sys_platform == 'linux'
nvidia-cuda-nvrtc==13.0.88 ; sys_platform == 'linux'
nvidia-cuda-runtime==13.0.96 ; (platform_machine == 'aarch64' or platform_machine == 'x86_64') and sys_platform == 'linux'
nvidia-cudnn-cu13==9.20.0.48 ; sys_platform == 'linux'
nvidia-cufft==12.0.0.61 ; (platform_machine == 'aarch64' or platform_machine == 'x86_64') and sys_platform == 'linux'
nvidia-cufile==1.15.1.6 ; (platform_machine == 'aarch64' or platform_machine == 'x86_64') and sys_platform == 'linux'
nvidia-curand==10.4.0.35 ; (platform_machine == 'aarch64' or platform_machine == 'x86_64') and sys_platform == 'linux'
nvidia-cusolver==12.0.4.66 ; (platform_machine == 'aarch64' or platform_machine == 'x86_64') and sys_platform == 'linux'
nvidia-cusparse==12.6.3.3 ; (platform_machine == 'aarch64' or platform_machine == 'x86_64') and sys_platform == 'linux'
nvidia-cusparselt-cu13==0.8.1 ; sys_platform == 'linux'
nvidia-nccl-cu13==2.29.7 ; sys_platform == 'linux'
nvidia-nvjitlink==13.5.37 ; (platform_machine == 'aarch64' or platform_machine == 'x86_64') and sys_platform == 'linux'
nvidia-nvshmem-cu13==3.4.5 ; sys_platform == 'linux'
nvidia-nvtx==13.0.85 ; (platform_machine == 'aarch64' or platform_machine == 'x86_64') and sys_platform == 'linux'
torch==2.13.0
triton==3.7.1 ; python_full_version < '3.15' and sys_platform == 'linux'
END
