# syntax=docker/dockerfile:1
# SPDX-License-Identifier: Apache-2.0
#
# Targets: manager, router, mediapod (Linux) and mediapod-windows. "make images" builds them all.

ARG GO=1.26
# A Windows container runs only on hosts of its own build: ltsc2022 or ltsc2025.
ARG WINDOWS=ltsc2022

FROM --platform=$BUILDPLATFORM golang:${GO} AS source
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY api api
COPY audio audio
COPY cmd cmd
COPY controllers controllers
COPY graph graph
COPY mediapod mediapod
COPY router router

FROM source AS build
ARG TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=linux GOARCH=$TARGETARCH go build -trimpath -tags disable_grpc_modules -ldflags="-s -w" -o /out/ ./cmd/manager ./cmd/router ./cmd/mediapod

FROM source AS build-windows
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=windows GOARCH=amd64 go build -trimpath -tags disable_grpc_modules -ldflags="-s -w" -o /out/mediapod.exe ./cmd/mediapod

FROM gcr.io/distroless/static:nonroot AS linux
LABEL org.opencontainers.image.source="https://github.com/callfleet/callfleet" \
      org.opencontainers.image.licenses="Apache-2.0"
# By number, so that the kubelet can tell that it is not root.
USER 65532:65532

FROM linux AS manager
LABEL org.opencontainers.image.title="Callfleet manager"
COPY --from=build /out/manager /manager
ENTRYPOINT ["/manager"]

FROM linux AS router
LABEL org.opencontainers.image.title="Callfleet router"
COPY --from=build /out/router /router
ENTRYPOINT ["/router"]

# The media pod loads libopus when it starts, and with it needs the C library: it has a base of its own.
FROM debian:12-slim AS mediapod
RUN apt-get update && apt-get install -y --no-install-recommends libopus0 ca-certificates && rm -rf /var/lib/apt/lists/*
LABEL org.opencontainers.image.source="https://github.com/callfleet/callfleet" \
      org.opencontainers.image.licenses="Apache-2.0"
USER 65532:65532
LABEL org.opencontainers.image.title="Callfleet media pod"
COPY --from=build /out/mediapod /mediapod
ENTRYPOINT ["/mediapod"]

# libopus for Windows, which nobody distributes as a file that could be pinned: built from Debian's source of the version that
# the Linux image has. What configure adds to find overruns needs a library that the image has not. It needs KERNEL32.dll and
# msvcrt.dll, which every Windows has, and the check at the end fails when it comes to need more.
FROM --platform=$BUILDPLATFORM debian:12-slim AS opus-windows
ARG OPUS=1.3.1
ARG OPUS_SHA256=65b58e1e25b2a114157014736a3d9dfeaad8d41be1c8179866f144a2fb44ff9d
RUN sed -i 's/^Types: deb$/Types: deb deb-src/' /etc/apt/sources.list.d/debian.sources && apt-get update && \
    apt-get install -y --no-install-recommends dpkg-dev make gcc-mingw-w64-x86-64-win32
WORKDIR /opus
RUN apt-get source --download-only opus=${OPUS}-3 && echo "${OPUS_SHA256}  opus_${OPUS}.orig.tar.gz" | sha256sum -c - && \
    tar xf opus_${OPUS}.orig.tar.gz --strip-components=1 && \
    ./configure --host=x86_64-w64-mingw32 --enable-shared --disable-static --disable-doc --disable-extra-programs \
        CC=x86_64-w64-mingw32-gcc-win32 CFLAGS=-O2 && \
    sed -i -e 's/-D_FORTIFY_SOURCE=2//g' -e 's/-fstack-protector-strong//g' Makefile && \
    make -j"$(nproc)" LDFLAGS='-no-undefined -Wl,-s -static-libgcc' libopus.la && \
    mkdir /out && cp .libs/libopus-0.dll /out/opus.dll && \
    test "$(x86_64-w64-mingw32-objdump -p /out/opus.dll | sed -n 's/.*DLL Name: //p' | sort | xargs)" = "KERNEL32.dll msvcrt.dll"

# Nothing is run in this stage, so it is built on Linux too.
FROM --platform=windows/amd64 mcr.microsoft.com/windows/nanoserver:${WINDOWS} AS mediapod-windows
LABEL org.opencontainers.image.title="Callfleet media pod" \
      org.opencontainers.image.source="https://github.com/callfleet/callfleet" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build-windows /out/mediapod.exe /mediapod.exe
COPY --from=opus-windows /out/opus.dll /opus.dll
USER ContainerUser
ENTRYPOINT ["C:\\mediapod.exe"]
