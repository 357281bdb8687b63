//! Ways into a server: passwords, TLS, certificates, sockets, and waiting for it.

use std::fs;
use std::sync::Arc;

use cdc_stack::postgres::{ClusterOptions, Durability, StopMode};

use super::*;

/// A server of the test's own, with these lines in its `pg_hba.conf` behind those that let `postgres` in.
fn cluster(rules: &str) -> Cluster {
    let options = ClusterOptions { durability: Durability::Relaxed, ..ClusterOptions::default() };
    let cluster = Cluster::start(options).unwrap();
    let rules = format!("local all all trust\nhost all postgres 127.0.0.1/32 trust\n{rules}");
    fs::write(cluster.folder().join("data/pg_hba.conf"), rules).unwrap();
    cluster.psql("postgres", "SELECT pg_reload_conf()").unwrap();
    cluster
}

async fn connect(url: &str) -> Result<Client, ReplicationError> {
    let mut settings = settings(url, "doors");
    settings.connect_patience = Duration::ZERO;
    Client::connect(&settings, Purpose::Sql).await
}

async fn answer(url: &str, sql: &str) -> String {
    let mut client = connect(url).await.unwrap();
    client.query(sql).await.unwrap()[0].get(0).unwrap().to_owned()
}

#[tokio::test]
async fn every_kind_of_password_opens_the_door_and_a_wrong_one_does_not() {
    let cluster = cluster(
        "host all scram all scram-sha-256\nhost all hashed all md5\nhost all plain all password\n",
    );
    let port = cluster.port();
    cluster
        .psql(
            "postgres",
            "CREATE ROLE scram LOGIN PASSWORD 'p:w@ä'; CREATE ROLE plain LOGIN PASSWORD 'p:w@ä';
             SET password_encryption = 'md5'; CREATE ROLE hashed LOGIN PASSWORD 'p:w@ä'",
        )
        .unwrap();
    for role in ["scram", "hashed", "plain"] {
        let url = format!("postgres://{role}:p%3Aw%40%C3%A4@127.0.0.1:{port}/postgres");
        assert_eq!(answer(&url, "SELECT current_user").await, role);
        let url = format!("postgres://{role}:wrong@127.0.0.1:{port}/postgres");
        let error = connect(&url).await.err().unwrap();
        assert_eq!(error.sqlstate(), Some("28P01"), "{error}");
        assert!(error.hint().unwrap().contains("password") && !error.is_passing());
        let url = format!("postgres://{role}@127.0.0.1:{port}/postgres");
        let error = connect(&url).await.err().unwrap();
        assert!(error.to_string().contains("asks for a password"), "{error}");
    }
    let url = format!("postgres://nobody@127.0.0.1:{port}/postgres");
    let error = connect(&url).await.err().unwrap();
    assert_eq!(error.sqlstate(), Some("28000"), "{error}");
    assert!(error.hint().unwrap().contains("pg_hba.conf"));
    let url = format!("postgres://postgres@127.0.0.1:{port}/nowhere");
    assert_eq!(connect(&url).await.err().unwrap().sqlstate(), Some("3D000"));

    let folder = cluster.socket_folder().unwrap().display();
    let url = format!("postgres:///postgres?user=scram&host={folder}&port={port}");
    let host = "SELECT coalesce(inet_client_addr()::text, 'socket')";
    assert_eq!(answer(&url, host).await, "socket");
}

/// An authority, a certificate of it for `localhost`, and one for the role `certified`.
const CERTIFICATES: &str = "
    new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 $*; }
    signed() { openssl x509 -req -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 $*; }
    echo subjectAltName=DNS:localhost > names
    new -x509 -keyout ca.key -out ca.crt -subj /CN=authority &&
    new -keyout server.key -out server.csr -subj /CN=localhost &&
    signed -in server.csr -out server.crt -extfile names &&
    new -keyout client.key -out client.csr -subj /CN=certified &&
    signed -in client.csr -out client.crt -extfile names";

#[tokio::test]
async fn a_session_is_protected_as_far_as_was_asked_for() {
    let cluster = cluster("hostssl all certified all cert\nhostssl all all all trust\n");
    // The server itself writes the files, so that they are its own.
    let data = cluster.folder().join("data");
    let script = CERTIFICATES.replace('\n', " ; ").replace("&& ;", "&&");
    let script = script.replace("; ;", ";");
    let script = script.trim_matches([' ', ';']).replace('\'', "''");
    cluster.psql("postgres", &format!("COPY (SELECT 1) TO PROGRAM '{script}'")).unwrap();
    for setting in ["ssl_ca_file = 'ca.crt'", "ssl = on"] {
        cluster.psql("postgres", &format!("ALTER SYSTEM SET {setting}")).unwrap();
    }
    cluster.psql("postgres", "CREATE ROLE certified LOGIN; CREATE ROLE guest LOGIN").unwrap();
    cluster.psql("postgres", "SELECT pg_reload_conf()").unwrap();
    let (port, file) = (cluster.port(), |name: &str| data.join(name).display().to_string());
    let url = |role: &str, host: &str, rest: &str| {
        format!("postgres://{role}@{host}:{port}/postgres?sslmode={rest}")
    };
    let protected = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    // The server takes notice of its new settings a moment after it was told.
    let prefer = url("postgres", "127.0.0.1", "prefer");
    while answer(&prefer, protected).await == "f" {}
    let disabled = url("postgres", "127.0.0.1", "disable");
    assert_eq!(answer(&disabled, protected).await, "f");
    let refused = connect(&url("guest", "127.0.0.1", "disable")).await.err().unwrap();
    assert_eq!(refused.sqlstate(), Some("28000"));

    let root = format!("&sslrootcert={}", file("ca.crt"));
    for (host, rest) in [
        ("127.0.0.1", "require".to_owned()),
        ("127.0.0.1", format!("require{root}")),
        ("127.0.0.1", format!("verify-ca{root}")),
        ("localhost", format!("verify-full{root}")),
    ] {
        assert_eq!(answer(&url("guest", host, &rest), protected).await, "t", "{host} {rest}");
    }
    for (host, rest) in [
        ("127.0.0.1", format!("verify-full{root}")),
        ("localhost", "verify-full".to_owned()),
        ("localhost", "verify-ca".to_owned()),
        ("localhost", format!("verify-ca&sslrootcert={}", file("server.key"))),
        ("localhost", format!("verify-ca&sslrootcert={}", file("missing"))),
    ] {
        let error = connect(&url("guest", host, &rest)).await.err().unwrap();
        assert!(matches!(error, ReplicationError::Tls { .. }), "{host} {rest}: {error}");
        assert!(error.hint().unwrap().contains("sslrootcert"));
    }

    let own = format!("require&sslcert={}&sslkey={}", file("client.crt"), file("client.key"));
    let certified = url("certified", "127.0.0.1", &own);
    assert_eq!(answer(&certified, "SELECT current_user").await, "certified");
    let error = connect(&url("certified", "127.0.0.1", "require")).await.err().unwrap();
    assert!(matches!(error.sqlstate(), Some("28000" | "08P01")), "{error:?}");
    let mut client = connect(&certified).await.unwrap();
    let mut copy = client
        .copy_out("COPY (SELECT repeat('x', 99) FROM generate_series(1, 30000)) TO STDOUT")
        .await
        .unwrap();
    let mut count = 0;
    while let Some(row) = copy.next().await.unwrap() {
        assert_eq!(row.len(), 100);
        count += 1;
    }
    assert_eq!(count, 30_000);
    let url = format!("{}?sslmode=require", Cluster::shared().url("postgres"));
    let error = connect(&url).await.err().unwrap();
    assert!(matches!(error, ReplicationError::Tls { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_is_away_is_tried_for_as_long_as_the_settings_say() {
    let cluster = Arc::new(cluster(""));
    let mut settings = settings(&cluster.url("postgres"), "patience");
    let mut lost = Client::connect(&settings, Purpose::Sql).await.unwrap();
    cluster.stop();
    let error = lost.query("SELECT 1").await.unwrap_err();
    assert!(error.is_passing(), "{error}");
    settings.connect_patience = Duration::from_millis(300);
    let begin = Instant::now();
    let error = Client::connect(&settings, Purpose::Sql).await.err().unwrap();
    assert!(begin.elapsed() >= settings.connect_patience);
    assert!(matches!(error, ReplicationError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(&cluster.port().to_string()), "{error}");
    assert!(error.hint().unwrap().contains("connect_patience"));

    settings.connect_patience = Duration::from_mins(1);
    let returning = Arc::clone(&cluster);
    let restart = tokio::task::spawn_blocking(move || {
        std::thread::sleep(Duration::from_millis(200));
        returning.restart(StopMode::Fast)
    });
    let mut client = Client::connect(&settings, Purpose::Replication).await.unwrap();
    assert_eq!(client.query("SELECT 1").await.unwrap().len(), 1);
    restart.await.unwrap().unwrap();
}
