# syntax=docker/dockerfile:1
# Builds Credence, and makes an image of the binary: `docker build -t credence .`. It needs BuildKit, which Docker has since version 23.
# docs/install.md says how to run it.

# The pages. What they are made of is installed again only when its versions change.
FROM node:24-bookworm-slim AS pages
WORKDIR /credence-source/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts --no-audit --no-fund
COPY schema.graphql /credence-source/schema.graphql
COPY web ./
RUN npm run build

# The binary. The caches keep crates and what is compiled of them from one build to the next; what is touched is compiled anew, whatever the
# times of the sources say.
FROM rust:1.95-bookworm AS binary
WORKDIR /credence-source
COPY . .
COPY --from=pages /credence-source/web/dist web/dist
ARG SOURCE_DATE_EPOCH=0
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/var/tmp/credence-build \
    touch build.rs src/lib.rs src/main.rs \
    && WEB_BUILD=skip packaging/cargo build --release --locked \
    && packaging/check \
    && install -D /var/tmp/credence-build/release/credence /image/usr/bin/credence \
    && install -D --mode=0644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt \
    && install -d /image/usr/share/doc/credence \
    && packaging/notices >/image/usr/share/doc/credence/THIRD-PARTY-LICENSES \
    && install -d --mode=0700 --owner=65532 --group=65532 /image/var/lib/credence

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="Credence" \
    org.opencontainers.image.description="A GraphQL API server for named secrets" \
    org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=binary /image/ /
# A number, so that an orchestrator sees that it is not root.
USER 65532:65532
ENV CREDENCE_DATA_DIR=/var/lib/credence \
    CREDENCE_LISTEN=0.0.0.0:8080
WORKDIR /var/lib/credence
VOLUME /var/lib/credence
EXPOSE 8080
STOPSIGNAL SIGTERM
# There is no curl in the image, and none is needed.
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --retries=3 CMD ["credence", "health"]
ENTRYPOINT ["credence"]
CMD ["serve"]
