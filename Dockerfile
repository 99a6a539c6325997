# The gateway as a container image. Build: docker build -t lienthong . ; the demo in it: docker run --rm lienthong demo
# Settings in /etc/lienthong (read-only is enough), data in /var/lib/lienthong (a local disk, kept).

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --quiet --locked --release -p lienthong

# Only its program is taken: the broker of a gateway whose settings name none, and that of the demo.
FROM nats:2.15.1-alpine AS broker

FROM debian:bookworm-slim
# Debian's stable release takes security updates under changing version numbers.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libssl3 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 lienthong \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin lienthong \
    && install -d -m 0700 -o 10001 -g 10001 /var/lib/lienthong \
    && install -d -m 0755 /etc/lienthong
COPY --from=broker /usr/local/bin/nats-server /usr/local/bin/nats-server
COPY --from=build /src/target/release/lienthong /usr/local/bin/lienthong
ENV LIENTHONG_NATS_SERVER=/usr/local/bin/nats-server
USER 10001:10001
WORKDIR /var/lib/lienthong
VOLUME ["/var/lib/lienthong"]
EXPOSE 8443
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["lienthong", "health", "-c", "/etc/lienthong/lienthong.toml"]
ENTRYPOINT ["lienthong"]
CMD ["serve", "-c", "/etc/lienthong/lienthong.toml"]
