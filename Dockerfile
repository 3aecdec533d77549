FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -o /tandem ./cmd/tandem && mkdir -p /empty/var/lib/tandem

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /tandem /usr/bin/tandem
COPY --from=build --chown=nonroot:nonroot /empty/var/lib/tandem /var/lib/tandem
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s CMD ["/usr/bin/tandem", "healthcheck"]
ENTRYPOINT ["/usr/bin/tandem"]
CMD ["serve"]
