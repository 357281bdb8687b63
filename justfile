# Words for the things one does here. The checks are steps of `.ci/run`, which needs no `just`.

set positional-arguments

# Whether a Docker daemon answers decides between its stack and the native one.
docker := 'docker info >/dev/null 2>&1'
compose := 'docker compose --file docker/compose.yaml'
stack := 'cargo run --quiet --package cdc-stack --bin cdc-stack --'
# Of `just up`, whichever stack it is.
source_url := 'postgresql://postgres@127.0.0.1:15432/orders_db'
brokers := '127.0.0.1:19092'

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

# Follow the logs of `just up`, e.g. `just logs kafka connect`, `just logs --no-follow`
logs *ARGS:
    @if ! {{ docker }}; then exec {{ stack }} logs "$@"; fi; \
        follow=--follow; \
        for word; do shift; \
            if [ "$word" = --no-follow ]; then follow=; else set -- "$@" "$word"; fi; \
        done; \
        exec {{ compose }} logs --tail 50 $follow "$@"

# Open a shell on a database of `just up`: `just psql source`, `just psql warehouse -c '\dt'`
psql WHICH *ARGS:
    @if ! {{ docker }}; then exec {{ stack }} psql "$@"; fi; \
        case $1 in \
            source) names='--username=postgres --dbname=orders_db' ;; \
            warehouse) names='--username=warehouse --dbname=analytics' ;; \
            *) echo "no database is called $1: source or warehouse" >&2; exit 2 ;; \
        esac; \
        service=$1; shift; [ -t 0 ] && terminal= || terminal=--no-TTY; \
        exec {{ compose }} exec $terminal "$service" psql $names "$@"

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

# Measure decoding and staging beside code written by hand, and keep the ratios in benches/results
bench-steps:
    rm -rf target/criterion
    cargo bench --package benches --bench decode --bench stage
    cargo run --release --package benches --bin bench-steps

# Measure the whole path on real components; with `--native` from PostgreSQL to PostgreSQL, without Kafka
bench-e2e *ARGS:
    cargo build --release --package pipeline --package benches
    target/release/bench-e2e "$@"

# Measure what the ledger and the filter of changes sent again cost: beside a build of this commit without them
bench-cost *ARGS:
    rm -rf target/cost/tree && mkdir -p target/cost/tree
    git archive HEAD | tar -x -C target/cost/tree
    patch -p1 -d target/cost/tree < benches/cost/without-books-and-filter.patch
    cargo build --release --package pipeline --manifest-path target/cost/tree/Cargo.toml --target-dir target/cost/build
    cargo build --release --package pipeline --package benches
    target/release/bench-e2e --only history,mirror --against target/cost/build/release/cdc-pipeline --results benches/results/cost "$@"

# Capture Debezium's messages anew as fixtures, e.g. `just capture-fixtures 2.4.2`; with `--extensions`
# those with types of PostGIS and pgvector, which the server has to have then
capture-fixtures *RELEASES:
    cargo run --package fixture-capture --bin capture-fixtures -- "$@"

# Hold captured values of PostGIS and pgvector against columns of their own types; needs both extensions
extension-types:
    cargo test --package fixture-capture --test it extension -- --ignored --nocapture

# Write the table of types in the docs of debezium-envelope as the captures show them
type-report:
    WRITE_TYPE_REPORT=1 cargo test --package fixture-capture --test it matrix

# Write the page about the protocol's model, docs/protocol.md, as exploring it shows
protocol-report:
    WRITE_PROTOCOL_REPORT=1 cargo test --package cdc-testkit --test it model

# Write the page about errors of the warehouse's server, docs/server-errors.md, from the table of codes
server-errors:
    WRITE_SERVER_ERRORS=1 cargo test --package cdc-postgres --lib sqlstate

# Run that many histories of the engine with faults drawn by seed, e.g. `just sim 10000`
sim SEEDS:
    SIM_SEEDS="$1" cargo test --package cdc-engine --test it simulation -- --include-ignored --nocapture

# Let faults drawn by seed strike the pipeline on real components, e.g. `just chaos --seed 7 --faults 100`
chaos *ARGS:
    cargo build --release --package pipeline --package replayer --package cdc-chaos
    target/release/chaos "$@"

# Run the tests that prove the failure modes and write docs/failure-modes.md, e.g. `just failure-modes cdc-kafka`
failure-modes *ARGS:
    cargo run --quiet --package cdc-chaos --bin failure-modes -- "$@"

# Fuzz the decoder until Ctrl-C: message, schema_block, decimal, declaration or array
fuzz TARGET *ARGS:
    @cargo fuzz --version >/dev/null || { echo "install it with: cargo install cargo-fuzz; rustup toolchain install nightly" >&2; exit 4; }
    cd crates/debezium-envelope && cargo +nightly fuzz run "$@"
