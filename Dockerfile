# syntax=docker/dockerfile:1
# The image of Tenure: the binary, and the C library and certificates that it needs. No shell, nobody's root.
#
#   docker build --tag tenure .
#   docker run --read-only --cap-drop=ALL --volume ./tenure.toml:/etc/tenure/tenure.toml:ro \
#     --env TENURE_CONFIG=/etc/tenure/tenure.toml --publish 7070:7070 tenure

ARG RUST_VERSION=1.95

FROM rust:${RUST_VERSION}-slim-bookworm AS build
# "dev" builds in a minute what "release" optimises for eight.
ARG PROFILE=release
WORKDIR /src

# The dependencies, under empty sources in place of ours: this layer lasts until Cargo.lock changes.
COPY Cargo.toml Cargo.lock ./
COPY clients/rust/Cargo.toml clients/rust/Cargo.toml
RUN mkdir -p src clients/rust/src clients/rust/examples/overhead \
    && echo 'fn main() {}' >src/main.rs \
    && cp src/main.rs build.rs \
    && cp src/main.rs clients/rust/examples/overhead/main.rs \
    && touch src/lib.rs clients/rust/src/lib.rs \
    && cargo build --locked --profile "$PROFILE" --bin tenure

# The sources. Those of a checkout are older than what was just built from the empty ones, hence the touch.
COPY build.rs ./
COPY proto proto
COPY clients/rust clients/rust
COPY src src
RUN touch build.rs src/main.rs src/lib.rs clients/rust/src/lib.rs \
    && cargo build --locked --profile "$PROFILE" --bin tenure \
    && install -D target/*/tenure /out/tenure

# libc, libgcc, certificate authorities; its user is 65532.
FROM gcr.io/distroless/cc-debian12:nonroot
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Tenure" \
      org.opencontainers.image.description="The session store for MCP servers" \
      org.opencontainers.image.source="https://github.com/tenure-dev/tenure" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY LICENSE /usr/share/doc/tenure/LICENSE
COPY --from=build /out/tenure /usr/local/bin/tenure
USER 65532:65532
# Beyond loopback it listens when the configuration says so, and who may call: docs/SECURITY.md.
EXPOSE 7070 7071
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["/usr/local/bin/tenure", "health", "--http", "127.0.0.1:7071"]
ENTRYPOINT ["/usr/local/bin/tenure"]
CMD ["serve"]
