# evermill as an image:
#
#   docker build -t evermill .
#   docker run --rm evermill --help            # arguments are a command of evermill's
#
# It runs as user 10001 and keeps what it has to keep in /data. docs/deployment.md says how to run it.
#
#   --build-arg DEBIAN=IMAGE   what it is built in and made of
#   --build-arg BUILT=IMAGE    takes /out/evermill and /out/packages from there and builds nothing (with BuildKit)
#   --build-arg JOBS=N         compilers at once; by default as many as there are processors
ARG DEBIAN=debian:bookworm-slim
ARG BUILT=build

FROM $DEBIAN AS build
WORKDIR /src
COPY scripts/install-dependencies.sh scripts/
RUN scripts/install-dependencies.sh build && rm -rf /var/lib/apt/lists/*
COPY . .
ARG JOBS
RUN cmake -S . -B /build -G Ninja -DCMAKE_BUILD_TYPE=Release -DEVERMILL_BUILD_TESTS=OFF -DEVERMILL_BUILD_EXAMPLES=OFF \
 && cmake --build /build --target evermill_program --parallel "${JOBS:-$(nproc)}" \
 && install -D --strip /build/cli/evermill /out/evermill \
 && scripts/runtime-packages.sh /out/evermill >/out/packages

FROM $BUILT AS built

FROM $DEBIAN
# What the program is linked with; certificates of brokers are checked with ca-certificates; tini waits for what activities
# leave behind, as process 1 has to.
COPY --from=built /out/packages /tmp/packages
RUN apt-get update -q \
 && apt-get install -q -y --no-install-recommends $(cat /tmp/packages) ca-certificates tini \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log /tmp/packages \
 && useradd --system --uid 10001 --user-group --home-dir /data --no-create-home --shell /usr/sbin/nologin evermill \
 && install -d -o evermill -g evermill -m 700 /data
COPY LICENSE /usr/share/doc/evermill/copyright
COPY --from=built /out/evermill /usr/local/bin/evermill
RUN evermill --version

LABEL org.opencontainers.image.title="evermill" \
      org.opencontainers.image.description="A durable workflow engine" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV EVERMILL_DATA=/data LANG=C.UTF-8
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 9464
STOPSIGNAL SIGTERM
ENTRYPOINT ["tini", "--", "evermill"]
CMD ["--help"]
