# doctor in a small image of its own, as a user without rights. The build context needs dist/ with the wheel:
#
#   python -m build --wheel && docker build -t tunedoctor .
#   docker run --rm --gpus all tunedoctor check --profile node
#   docker run --rm -v "$PWD:/work:ro" tunedoctor check --project /work --gpu 'RTX 5090'
ARG BASE=python:3.13-slim
FROM ${BASE} AS build
COPY dist/*.whl /dist/
RUN python3 -m venv /opt/doctor \
    && /opt/doctor/bin/pip install --no-cache-dir /dist/*.whl

FROM ${BASE}
COPY --from=build /opt/doctor /opt/doctor
RUN mkdir /work && chmod 755 /work
ENV PATH=/opt/doctor/bin:$PATH LANG=C.UTF-8 HOME=/tmp
USER 10001:10001
WORKDIR /work
ENTRYPOINT ["doctor"]
CMD ["check", "--profile", "node"]
