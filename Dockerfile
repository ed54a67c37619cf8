# AVA Studio: one image for the web server, beat and both kinds of worker.
#   docker build --build-arg TORCH=cpu -t ava-studio:cpu .     (TORCH=cuda for NVIDIA GPUs)
FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

# The system libraries of OpenCV, as in the launcher.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 libxcb1 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /app
COPY requirements.txt pyproject.toml ./
RUN pip install --no-deps --require-hashes -r requirements.txt

# torch is not in the lock: its build is chosen here, its version is in pyproject.toml.
ARG TORCH=cpu
RUN pins=$(python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['torch'])") \
    && case "$TORCH" in \
        cpu) pip install --no-deps --index-url https://download.pytorch.org/whl/cpu $pins ;; \
        cuda) pip install $pins ;; \
        *) echo "TORCH must be cpu or cuda, not $TORCH" >&2; exit 1 ;; \
    esac

COPY manage.py ./
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
COPY README.md ./

ENV AVA_DATA_DIR=/data AVA_STATIC_DIR=/app/collected
RUN AVA_DATA_DIR=/tmp/build python manage.py collectstatic --noinput \
    && rm -rf /tmp/build \
    && useradd --uid 1000 --create-home ava \
    && install -d -o ava -g ava /data
USER ava
VOLUME /data
EXPOSE 8000
CMD ["python", "manage.py", "serve", "--host", "0.0.0.0", "--processes", "2"]
