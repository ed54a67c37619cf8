# AVA Studio: `web` serves pages, plans and does all work but detection, without torch; `cpu` and
# `gpu` detect people.
#   docker build --target web -t ava-studio:web .     (or cpu, gpu)

# --- System libraries of OpenCV, as in the launcher, and a user without rights
FROM python:3.11-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/venv/bin:$PATH \
    AVA_DATA_DIR=/data AVA_STATIC_DIR=/app/collected HOME=/scratch TMPDIR=/scratch
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 libxcb1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --home-dir /scratch ava \
    && install -d -o ava -g ava /data /scratch
WORKDIR /app

# --- Packages
FROM base AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements.txt pyproject.toml ./
RUN python -m venv /venv && pip install --no-deps --require-hashes -r requirements.txt

# torch is not in the lock: its build is chosen here, its version is in pyproject.toml.
FROM packages AS packages-cpu
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['torch'], sep='\n')" > torch.txt \
    && pip install --no-deps --index-url https://download.pytorch.org/whl/cpu -r torch.txt

FROM packages AS packages-gpu
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['torch'], sep='\n')" > torch.txt \
    && pip install -r torch.txt

# --- The project, with its static files collected
FROM base AS project
COPY --from=packages /venv /venv
COPY manage.py README.md ./
COPY avaproject avaproject
COPY datasets datasets
COPY tracking tracking
COPY annotation annotation
COPY qc qc
COPY workers workers
COPY demo demo
COPY templates templates
COPY static static
COPY docs docs
RUN AVA_DATA_DIR=/tmp/build python manage.py collectstatic --noinput && rm -rf /tmp/build

# --- Images
FROM base AS gpu
COPY --from=packages-gpu /venv /venv
COPY --from=project /app /app
USER 1000
VOLUME ["/data", "/scratch"]
CMD ["celery", "-A", "avaproject", "worker", "-Q", "gpu", "-n", "gpu@%h", "--concurrency", "1"]

FROM base AS cpu
COPY --from=packages-cpu /venv /venv
COPY --from=project /app /app
USER 1000
VOLUME ["/data", "/scratch"]
CMD ["celery", "-A", "avaproject", "worker", "-Q", "gpu", "-n", "gpu@%h", "--concurrency", "1"]

FROM project AS web
USER 1000
VOLUME ["/data", "/scratch"]
EXPOSE 8000
CMD ["python", "manage.py", "serve", "--host", "0.0.0.0", "--processes", "2"]
