FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-X tandem/cmd/app.release=$VERSION" -o /tandem ./cmd/tandem && mkdir -p /empty/tandem

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /tandem /usr/bin/tandem
COPY --from=build --chown=65532:65532 /empty/tandem /var/lib/tandem
USER 65532:65532
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s CMD ["/usr/bin/tandem", "healthcheck"]
ENTRYPOINT ["/usr/bin/tandem"]
CMD ["serve"]
