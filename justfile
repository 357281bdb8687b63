# Words for the things one does here. The checks are steps of `.ci/run`, which needs no `just`.

set positional-arguments

# Whether a Docker daemon answers decides between its stack and the native one.
docker := 'docker info >/dev/null 2>&1'
compose := 'docker compose --file docker/compose.yaml'
stack := 'cargo run --quiet --package cdc-stack --bin cdc-stack --'
# Of `just up`, whichever stack it is.
source_url := 'postgresql://postgres@127.0.0.1:15432/orders_db'
brokers := '127.0.0.1:19092'
warehouse_url := 'postgresql://warehouse@127.0.0.1:15433/analytics'

# List the recipes
default:
    @just --list --unsorted

# Compile everything, tests and benches included
build:
    .ci/run build

# Run all tests, those on real PostgreSQL, Kafka and Debezium included
test:
    .ci/run test

# Check formatting, lints and documentation
check:
    .ci/run fmt clippy docs

# Check the repository's own rules: layout, READMEs, fixtures, arrows between crates
tidy:
    .ci/run tidy

# Check licences, banned crates and advisories of all dependencies
deny:
    .ci/run deny

# Run everything that a change has to pass
ci:
    .ci/run

# Start the stack on its fixed ports: in Docker when a daemon answers, else natively until Ctrl-C
up:
    @if {{ docker }}; then {{ compose }} run --rm connector; else {{ stack }} up; fi

# Stop the stack; its data stays
down:
    @if {{ docker }}; then {{ compose }} down; else {{ stack }} down; fi

# Show the whole pipeline with nothing set up, e.g. `just demo --changes 100000`
demo *ARGS:
    cargo run --release --package pipeline -- demo "$@"

# Make order traffic in the stack of `just up`; `just seed --help` says what else it can do
seed *ARGS:
    @[ $# -gt 0 ] || set -- sql --rate 100; \
        SOURCE_URL="${SOURCE_URL:-{{ source_url }}}" KAFKA_BROKERS="${KAFKA_BROKERS:-{{ brokers }}}" \
        cargo run --release --package seed-data -- "$@"

# Run the pipeline with a configuration file
run CONFIG:
    cargo run --release --package pipeline -- run --config "$1"

# Run one benchmark
bench NAME:
    cargo bench --package benches --bench "$1"

# Measure the whole path on real components
bench-e2e *ARGS:
    cargo run --release --package benches -- "$@"

# Open a shell on the warehouse of `just up`
psql-warehouse:
    psql {{ warehouse_url }}

# Open a shell on the source database of `just up`
psql-source:
    psql {{ source_url }}
