# One image for all services; docker-compose.yml gives each its command.
FROM python:3.11-slim-bookworm AS packages
WORKDIR /app
COPY requirements.lock ./
RUN python -m venv .venv \
    && .venv/bin/pip install -q --disable-pip-version-check "$(grep -oE '^uv==[0-9.]+' requirements.lock)" \
    && .venv/bin/uv pip sync -q --python .venv/bin/python --require-hashes requirements.lock

FROM python:3.11-slim-bookworm
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 lending \
    && install -d -o lending /state
WORKDIR /app
COPY --from=packages /app/.venv .venv
COPY pyproject.toml README.md LICENSE ./
COPY warehouse warehouse
COPY features features
COPY training training
COPY serving serving
COPY orchestration orchestration
RUN .venv/bin/uv pip install -q --python .venv/bin/python --no-deps --no-build-isolation .
ENV PATH=/app/.venv/bin:$PATH LENDING_HOME=/state PYTHONUNBUFFERED=1
USER lending
VOLUME /state
CMD ["lending", "--help"]
