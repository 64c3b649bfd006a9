FROM python:3.11-slim AS build
WORKDIR /src
COPY requirements.lock pyproject.toml README.md LICENSE ./
RUN python -m venv /opt/matinee && /opt/matinee/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY bot bot
COPY cogs cogs
COPY storage storage
RUN /opt/matinee/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim
COPY --from=build /opt/matinee /opt/matinee
# A volume belongs to root unless its folder was there before.
RUN useradd --uid 10001 --create-home --home-dir /var/lib/matinee matinee \
    && install --directory --owner matinee --group matinee --mode 700 /var/lib/matinee/data
USER matinee
WORKDIR /var/lib/matinee
VOLUME /var/lib/matinee/data
ENTRYPOINT ["/opt/matinee/bin/matinee"]
CMD ["run", "--config", "/etc/matinee/matinee.toml"]
