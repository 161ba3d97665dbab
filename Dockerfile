# docker build -t roadworthy . && docker run --rm --network none --user "$(id -u)" -v "$PWD:/src:ro" roadworthy review
FROM python:3.13-slim AS build
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN python -m venv /opt/roadworthy && /opt/roadworthy/bin/pip install --no-cache-dir --disable-pip-version-check .

FROM python:3.13-slim
COPY --from=build /opt/roadworthy /opt/roadworthy
ENV PATH=/opt/roadworthy/bin:$PATH ROADWORTHY_CACHE=/tmp/roadworthy
WORKDIR /src
USER 65534:65534
ENTRYPOINT ["roadworthy"]
CMD ["--help"]
