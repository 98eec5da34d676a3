# The libraries of every step, from the lock files; the code is that of the clone, which is mounted.
#
#   docker build --tag brainage .
#   apptainer build brainage.sif docker-daemon:brainage:latest
#   snakemake --cores 16 --sdm apptainer --configfile my.yaml --config container=brainage.sif
FROM python:3.11-slim-bookworm
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /opt/brainage
COPY requirements/workflow.lock requirements/torch.lock ./
RUN python -m pip install --quiet --no-deps --require-hashes -r workflow.lock
RUN python -m pip install --quiet --constraint torch.lock torch
RUN python -m pip check
