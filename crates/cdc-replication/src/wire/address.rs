//! From the URL in the settings to where to connect, as whom, and how.
//!
//! What the URL leaves out comes from the variables that libpq reads, then from its defaults, so that
//! one URL means the same here, in `psql`, and to the warehouse's driver. Differences: one host, no
//! service or password files, and no `sslmode=allow`.

use std::path::{Path, PathBuf};

use url::Url;

use crate::error::ReplicationError;

/// PostgreSQL's own port.
const PORT: u16 = 5432;

/// Where servers put their socket: Debian and Fedora, then PostgreSQL's own default.
const SOCKET_FOLDERS: [&str; 3] = ["/run/postgresql", "/var/run/postgresql", "/tmp"];

/// How much a session is protected on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TlsMode {
    /// Never.
    Disable,
    /// When the server can, whoever it is.
    Prefer,
    /// Always, whoever it is.
    Require,
    /// Always, with a certificate of a known authority.
    VerifyCa,
    /// Always, with such a certificate for this host.
    VerifyFull,
}

/// What TLS is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TlsFiles {
    /// Authorities; without it those that browsers know.
    pub(super) root_cert: Option<PathBuf>,
    /// Our own certificate and its key.
    pub(super) identity: Option<(PathBuf, PathBuf)>,
}

/// Where the server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    /// A name or an address, without brackets.
    Tcp(String),
    /// The folder of a unix socket.
    Unix(PathBuf),
}

/// Where to connect, as whom, and how.
pub(super) struct Address {
    pub(super) host: Host,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) password: Option<Vec<u8>>,
    pub(super) database: String,
    pub(super) tls: TlsMode,
    pub(super) files: TlsFiles,
}

impl Address {
    /// Reads a URL. `environment` gives the value of a variable.
    pub(super) fn parse(
        text: &str,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ReplicationError> {
        let refuse = |reason: &str| ReplicationError::Address { reason: reason.to_owned() };
        if !["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) {
            return Err(refuse("it does not begin with postgres://"));
        }
        let url = Url::parse(text).map_err(|error| refuse(&error.to_string()))?;
        let parameters = Parameters::of(&url)?;
        let find = |name: &str, variable: &str| {
            parameters.get(name).or_else(|| environment(variable)).filter(|text| !text.is_empty())
        };
        let port = find("port", "PGPORT").map(|port| port.parse::<u16>());
        let port = port.transpose().map_err(|_| refuse("its port is no number up to 65535"))?;
        let port = port.unwrap_or(PORT);
        let user = find("user", "PGUSER").or_else(|| environment("USER"));
        let user =
            user.or_else(|| environment("LOGNAME")).ok_or_else(|| refuse("it names no role"))?;
        let host = find("host", "PGHOST").map_or_else(|| default_host(port), Host::named);
        let root_cert = find("sslrootcert", "PGSSLROOTCERT");
        let tls = tls_mode(find("sslmode", "PGSSLMODE").as_deref(), root_cert.is_some())?;
        let certificate = find("sslcert", "PGSSLCERT").map(PathBuf::from);
        let key = find("sslkey", "PGSSLKEY").map(PathBuf::from);
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (_, _) => return Err(refuse("it has only one of sslcert and sslkey")),
        };
        // The word for the authorities that the system knows: here, those that browsers know.
        let root_cert = root_cert.filter(|path| path != "system").map(PathBuf::from);
        Ok(Self {
            host,
            port,
            database: find("dbname", "PGDATABASE").unwrap_or_else(|| user.clone()),
            user,
            password: find("password", "PGPASSWORD").map(String::into_bytes),
            tls,
            files: TlsFiles { root_cert, identity },
        })
    }

    /// Where it is, for messages: nothing of it is secret.
    pub(super) fn place(&self) -> String {
        match &self.host {
            Host::Tcp(host) => format!("{host}:{}", self.port),
            Host::Unix(_) => self.socket().display().to_string(),
        }
    }

    /// The socket's file.
    pub(super) fn socket(&self) -> PathBuf {
        let folder = match &self.host {
            Host::Tcp(_) => Path::new("/"),
            Host::Unix(folder) => folder,
        };
        socket_in(folder, self.port)
    }
}

impl Host {
    /// A host that begins with a slash is a folder, as for libpq.
    fn named(text: String) -> Self {
        if text.starts_with('/') { Self::Unix(PathBuf::from(text)) } else { Self::Tcp(text) }
    }
}

fn default_host(port: u16) -> Host {
    let mut folders = SOCKET_FOLDERS.iter().map(Path::new);
    let folder = folders.find(|folder| socket_in(folder, port).exists());
    folder.map_or_else(|| Host::Tcp("localhost".to_owned()), |folder| Host::Unix(folder.to_owned()))
}

fn socket_in(folder: &Path, port: u16) -> PathBuf {
    folder.join(format!(".s.PGSQL.{port}"))
}

fn tls_mode(word: Option<&str>, has_root: bool) -> Result<TlsMode, ReplicationError> {
    match word {
        None | Some("prefer") => Ok(TlsMode::Prefer),
        Some("disable") => Ok(TlsMode::Disable),
        // Whoever names an authority wants it asked; libpq does the same.
        Some("require") if has_root => Ok(TlsMode::VerifyCa),
        Some("require") => Ok(TlsMode::Require),
        Some("verify-ca") => Ok(TlsMode::VerifyCa),
        Some("verify-full") => Ok(TlsMode::VerifyFull),
        Some(_) => Err(ReplicationError::Address {
            reason: "its sslmode is none of disable, prefer, require, verify-ca, verify-full"
                .into(),
        }),
    }
}

/// Everything that the URL says, by libpq's names. A parameter wins over the part of the URL before it.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn of(url: &Url) -> Result<Self, ReplicationError> {
        let mut found = Vec::new();
        let mut add = |name: &str, text: &str| -> Result<(), ReplicationError> {
            found.push((decoded(name)?, decoded(text)?));
            Ok(())
        };
        add("user", url.username())?;
        add("password", url.password().unwrap_or_default())?;
        let host = url.host_str().unwrap_or_default();
        add("host", host.trim_start_matches('[').trim_end_matches(']'))?;
        add("port", &url.port().map(|port| port.to_string()).unwrap_or_default())?;
        add("dbname", url.path().trim_start_matches('/'))?;
        for pair in url.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
            add(name, text)?;
        }
        Ok(Self(found))
    }

    fn get(&self, name: &str) -> Option<String> {
        let mut same =
            self.0.iter().rev().filter(|(known, text)| known == name && !text.is_empty());
        same.next().map(|(_, text)| text.clone())
    }
}

/// Undoes percent-encoding. A plus sign is itself, as for libpq, so this is not the decoding of forms.
fn decoded(text: &str) -> Result<String, ReplicationError> {
    let refuse = || ReplicationError::Address {
        reason: "it has a % that two hexadecimal digits of UTF-8 do not follow".to_owned(),
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first != b'%' {
            bytes.push(*first);
            rest = after;
            continue;
        }
        let (digits, after) = after.split_at_checked(2).ok_or_else(refuse)?;
        let digits = std::str::from_utf8(digits).map_err(|_| refuse())?;
        let fits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let byte = u8::from_str_radix(digits, 16).ok().filter(|_| fits);
        bytes.push(byte.ok_or_else(refuse)?);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| refuse())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Address, ReplicationError> {
        Address::parse(text, |name| (name == "USER").then(|| "me".to_owned()))
    }

    #[test]
    fn every_part_of_a_url_is_read() {
        let address = read(
            "postgres://ann%40x:p%3Aw+d@db.example:5433/shop%20a?sslmode=verify-full\
                            &sslrootcert=/ca.pem&sslcert=/c.pem&sslkey=%2Fk.pem&x=1",
        );
        let address = address.unwrap();
        assert_eq!(address.host, Host::Tcp("db.example".to_owned()));
        assert_eq!(address.port, 5433);
        assert_eq!(address.user, "ann@x");
        assert_eq!(address.password.as_deref(), Some(&b"p:w+d"[..]));
        assert_eq!(address.database, "shop a");
        assert_eq!(address.tls, TlsMode::VerifyFull);
        assert_eq!(address.files.root_cert, Some(PathBuf::from("/ca.pem")));
        let identity = Some((PathBuf::from("/c.pem"), PathBuf::from("/k.pem")));
        assert_eq!(address.files.identity, identity);
        assert_eq!(address.place(), "db.example:5433");
    }

    #[test]
    fn what_is_left_out_is_as_for_libpq() {
        let address = read("postgresql://localhost").unwrap();
        assert_eq!((&*address.user, &*address.database, address.port), ("me", "me", 5432));
        assert_eq!((address.tls, address.password), (TlsMode::Prefer, None));
        let address = Address::parse("postgres://ann@localhost", |name| match name {
            "PGPASSWORD" => Some("pw".to_owned()),
            "PGPORT" => Some("7".to_owned()),
            "PGSSLMODE" => Some("disable".to_owned()),
            _ => None,
        });
        let address = address.unwrap();
        assert_eq!((&*address.user, &*address.database, address.port), ("ann", "ann", 7));
        assert_eq!(address.password.as_deref(), Some(&b"pw"[..]));
        assert_eq!(address.tls, TlsMode::Disable);
    }

    #[test]
    fn a_host_with_a_slash_is_the_folder_of_a_socket() {
        for url in ["postgres:///shop?host=/run/pg&port=6", "postgres://%2Frun%2Fpg:6/shop"] {
            let address = read(url).unwrap();
            assert_eq!(address.host, Host::Unix(PathBuf::from("/run/pg")), "{url}");
            assert_eq!(address.place(), "/run/pg/.s.PGSQL.6", "{url}");
        }
        let address = read("postgres://[::1]:6/shop").unwrap();
        assert_eq!(address.host, Host::Tcp("::1".to_owned()));
    }

    #[test]
    fn naming_an_authority_means_to_ask_it() {
        let address = read("postgres://h/d?sslmode=require&sslrootcert=/ca").unwrap();
        assert_eq!(address.tls, TlsMode::VerifyCa);
        assert_eq!(read("postgres://h/d?sslmode=require").unwrap().tls, TlsMode::Require);
        let address = read("postgres://h/d?sslmode=verify-full&sslrootcert=system").unwrap();
        assert_eq!(address.files.root_cert, None);
    }

    #[test]
    fn mistakes_are_named_without_the_address() {
        for url in [
            "mysql://ann:secret@h/d",
            "postgres://ann:secret@h:x/d",
            "postgres://ann:secret%4@h/d",
            "postgres://ann:secret%zz@h/d",
            "postgres://ann:secret@h/d?sslmode=allow",
            "postgres://ann:secret@h/d?sslcert=/c",
            "postgres://ann:secret@h/d?port=70000",
            "postgres://ann:secret@h1:1,h2:2/d",
            "",
        ] {
            let error = read(url).err().unwrap();
            assert!(matches!(error, ReplicationError::Address { .. }), "{url}: {error}");
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
    }
}
