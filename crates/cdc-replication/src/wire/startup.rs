//! The beginning of a session: TLS, the parameters that pin it, and who we are.

use std::time::Duration;

use bytes::{Buf as _, Bytes};
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::frontend;
use tokio::net::{TcpStream, UnixStream};

use super::Purpose;
use super::address::{Address, Host, TlsMode};
use super::channel::{Channel, described, is_aside, note};
use super::stream::Stream;
use super::tls;
use crate::error::{Cause, ReplicationError, ServerAnswer};
use crate::settings::SlotName;

const DOING: &str = "opening a session with the source";

/// The oldest server that sends logical messages and protocol version 2, and that is still in use.
const VERSION_MIN: u32 = 140_000;

/// What every session has, whatever the server, the database or the role has as its default: values must
/// come in the one form that is read here, complete, and without a limit on how long that may take.
const PINNED: [(&str, &str); 14] = [
    ("client_encoding", "UTF8"),
    ("datestyle", "ISO"),
    ("intervalstyle", "postgres"),
    ("timezone", "UTC"),
    ("extra_float_digits", "3"),
    ("bytea_output", "hex"),
    ("search_path", "pg_catalog, public"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "off"),
    ("default_transaction_deferrable", "off"),
    ("statement_timeout", "0"),
    ("lock_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    // A policy that hides rows is an error, not a snapshot with fewer rows.
    ("row_security", "off"),
];

/// Opens a session: one attempt. Gives the server's version with it.
pub(super) async fn open(
    address: &Address,
    purpose: Purpose,
    slot: &SlotName,
) -> Result<(Channel, u32), ReplicationError> {
    let mut channel = Channel::new(connect(address).await?);
    let name = format!("cdc-pipeline source {slot}");
    let mut parameters = vec![
        ("user", &*address.user),
        ("database", &*address.database),
        ("application_name", &*name),
    ];
    if purpose == Purpose::Replication {
        parameters.push(("replication", "database"));
    }
    parameters.extend(PINNED);
    channel.write(DOING, |out| frontend::startup_message(parameters, out))?;
    channel.flush(DOING).await?;
    authenticate(&mut channel, address).await?;
    channel.greeted();
    let version = server_version(&mut channel).await?;
    if version < VERSION_MIN {
        return Err(ReplicationError::TooOld { version });
    }
    Ok((channel, version))
}

async fn connect(address: &Address) -> Result<Stream, ReplicationError> {
    let host = match &address.host {
        // Nobody listens in on a socket; libpq does not encrypt there either.
        Host::Unix(_) => {
            let stream = UnixStream::connect(address.socket()).await;
            return stream.map(Stream::Unix).map_err(|error| unreachable(address, error));
        }
        Host::Tcp(host) => host,
    };
    let stream = TcpStream::connect((&**host, address.port)).await;
    let stream = stream.map_err(|error| unreachable(address, error))?;
    stream.set_nodelay(true).map_err(|error| unreachable(address, error))?;
    if address.tls == TlsMode::Disable {
        return Ok(Stream::Tcp(stream));
    }
    let mut channel = Channel::new(Stream::Tcp(stream));
    channel.write(DOING, |out| {
        frontend::ssl_request(out);
        Ok(())
    })?;
    channel.flush(DOING).await?;
    let answer = channel.one_byte(DOING).await?;
    // Nothing else was read: bytes that somebody slipped in before the handshake would still be in the
    // connection, and would fail the handshake.
    let Stream::Tcp(stream) = channel.into_stream() else {
        return Err(ReplicationError::malformed(DOING, "a TCP connection", "another"));
    };
    match answer {
        b'S' => {
            let shaken = tls::handshake(stream, host, address.tls, &address.files).await;
            let place = address.place();
            shaken
                .map(|stream| Stream::Tls(Box::new(stream)))
                .map_err(|source| ReplicationError::Tls { place, source })
        }
        b'N' if address.tls == TlsMode::Prefer => Ok(Stream::Tcp(stream)),
        b'N' => Err(ReplicationError::Tls {
            place: address.place(),
            source: "the server has TLS switched off".into(),
        }),
        other => Err(ReplicationError::malformed(DOING, "an answer S or N", described(other))),
    }
}

fn unreachable(address: &Address, source: impl Into<Cause>) -> ReplicationError {
    let (place, tried) = (address.place(), Duration::ZERO);
    ReplicationError::Unreachable { place, tried, source: source.into() }
}

/// How far the exchange has come that proves to each side that the other knows the password.
enum Proof {
    /// The server asked for nothing of that kind.
    None,
    Begun(Box<ScramSha256>),
    Given,
}

async fn authenticate(channel: &mut Channel, address: &Address) -> Result<(), ReplicationError> {
    let mut proof = Proof::None;
    loop {
        let (method, body) = request(channel).await?;
        proof = match (method, proof) {
            (0, Proof::None | Proof::Given) => return Ok(()),
            (3, Proof::None) => {
                let password = password(address)?;
                channel.write(DOING, |out| frontend::password_message(password, out))?;
                Proof::None
            }
            (5, Proof::None) => {
                let salt = body.first_chunk::<4>().ok_or_else(|| unexpected(method))?;
                let hash = md5_hash(address.user.as_bytes(), password(address)?, *salt);
                channel.write(DOING, |out| frontend::password_message(hash.as_bytes(), out))?;
                Proof::None
            }
            (10, Proof::None) => {
                let mut offered = body.split(|byte| *byte == 0);
                if !offered.any(|name| name == SCRAM_SHA_256.as_bytes()) {
                    return Err(unexpected(method));
                }
                // Binding the exchange to the TLS session is not supported, and the server is told so.
                let binding = ChannelBinding::unsupported();
                let exchange = ScramSha256::new(password(address)?, binding);
                channel.write(DOING, |out| {
                    frontend::sasl_initial_response(SCRAM_SHA_256, exchange.message(), out)
                })?;
                Proof::Begun(Box::new(exchange))
            }
            (11, Proof::Begun(mut exchange)) => {
                exchange.update(&body).map_err(|error| not_authentic(&error))?;
                channel.write(DOING, |out| frontend::sasl_response(exchange.message(), out))?;
                Proof::Begun(exchange)
            }
            (12, Proof::Begun(mut exchange)) => {
                exchange.finish(&body).map_err(|error| not_authentic(&error))?;
                Proof::Given
            }
            // Also a server that lets us in without its own proof: it may be anybody.
            (_, Proof::None | Proof::Begun(_) | Proof::Given) => return Err(unexpected(method)),
        };
        channel.flush(DOING).await?;
    }
}

/// The next request for authentication: its number, and what comes with it.
async fn request(channel: &mut Channel) -> Result<(u32, Bytes), ReplicationError> {
    let (tag, mut body) = channel.message(DOING).await?;
    match tag {
        b'R' => {
            let method = body.try_get_u32().map_err(|_| malformed_request(tag))?;
            Ok((method, body))
        }
        b'E' => Err(refused(&body)),
        other => Err(malformed_request(other)),
    }
}

fn malformed_request(tag: u8) -> ReplicationError {
    ReplicationError::malformed(DOING, "a request for authentication", described(tag))
}

fn unexpected(method: u32) -> ReplicationError {
    let expected = "authentication by a password: SCRAM-SHA-256, md5 or clear text";
    ReplicationError::malformed(DOING, expected, format!("a request of the kind {method}"))
}

fn not_authentic(error: &std::io::Error) -> ReplicationError {
    let expected = "a server that knows the role's password";
    ReplicationError::malformed(DOING, expected, error.to_string())
}

fn refused(body: &[u8]) -> ReplicationError {
    let answer = Box::new(ServerAnswer::parse(body));
    ReplicationError::Refused { doing: DOING.to_owned(), answer }
}

fn password(address: &Address) -> Result<&[u8], ReplicationError> {
    address.password.as_deref().ok_or_else(|| ReplicationError::Address {
        reason: "the server asks for a password, and it has none".to_owned(),
    })
}

/// Reads what the server says about itself until it waits for the first statement.
async fn server_version(channel: &mut Channel) -> Result<u32, ReplicationError> {
    let mut version = None;
    loop {
        let Some(frame) = channel.peek(DOING)? else {
            channel.fill(DOING).await?;
            continue;
        };
        let body = channel.take(frame);
        match frame.tag {
            b'S' => {
                let mut texts = body.split(|byte| *byte == 0);
                if texts.next() == Some(b"server_version") {
                    version = texts.next().and_then(version_number);
                }
            }
            b'E' => return Err(refused(&body)),
            b'Z' => {
                let missing = || ReplicationError::malformed(DOING, "the server's version", "none");
                return version.ok_or_else(missing);
            }
            // The key to cancel statements with is of no use here.
            b'K' => {}
            tag if is_aside(tag) => note(tag, &body),
            tag => {
                let expected = "parameters of the session";
                return Err(ReplicationError::malformed(DOING, expected, described(tag)));
            }
        }
    }
}

/// `15.17 (Debian …)` is 150017, as in `server_version_num`; one that is not released yet has no second
/// number.
fn version_number(text: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(text).ok()?;
    let numbers = text.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
    let mut numbers = numbers.split('.');
    let major = numbers.next()?.parse::<u32>().ok()?;
    let minor = numbers.next().and_then(|minor| minor.parse::<u32>().ok()).unwrap_or_default();
    major.checked_mul(10_000)?.checked_add(minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_server_numbers_them() {
        for (text, number) in [
            ("15.17 (Debian 15.17-0+deb12u1)", Some(150_017)),
            ("18.0", Some(180_000)),
            ("19devel", Some(190_000)),
            ("17beta1", Some(170_000)),
            ("devel", None),
            ("", None),
        ] {
            assert_eq!(version_number(text.as_bytes()), number, "{text}");
        }
    }
}
