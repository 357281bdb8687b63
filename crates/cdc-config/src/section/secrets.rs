//! Readers of secrets: references to the environment or to a file, resolved at once.
//!
//! A secret in the file itself is refused, because configuration files are copied, committed and
//! pasted into chats. Nothing read here is ever made public.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Need, Refusal, Section, path};
use crate::environment::EnvironmentError;
use crate::near_miss::closest;
use crate::problem::ProblemKind;
use crate::secret::Secret;

const REFERENCE: &str = "{ env = \"NAME\" } or { file = \"path\" }";
const PLAIN_URL: &str = "a URL without password, { env = \"NAME\" } or { file = \"path\" }";
const MOVE_IT: &str = "keep secrets out of this file: put it into an environment variable and \
                       write { env = \"NAME\" }";

/// What may stand in the file itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Literal {
    Nothing,
    PlainUrl,
}

impl<'d> Section<'d> {
    /// A secret by reference: `{ env = "NAME" }` or `{ file = "path" }`. One line break at the end of
    /// a file is not part of the secret.
    pub fn required_secret(&self, key: &str) -> Option<Secret> {
        self.secret_with(key, Need::Required, Literal::Nothing)
    }

    /// As [`Section::required_secret`], if the key is there.
    pub fn optional_secret(&self, key: &str) -> Option<Secret> {
        self.secret_with(key, Need::Optional, Literal::Nothing)
    }

    /// A URL: by reference, or written in the file if it holds no password.
    pub fn required_secret_or_plain_url(&self, key: &str) -> Option<Secret> {
        self.secret_with(key, Need::Required, Literal::PlainUrl)
    }

    /// As [`Section::required_secret_or_plain_url`], if the key is there.
    pub fn optional_secret_or_plain_url(&self, key: &str) -> Option<Secret> {
        self.secret_with(key, Need::Optional, Literal::PlainUrl)
    }

    fn secret_with(&self, key: &str, need: Need, literal: Literal) -> Option<Secret> {
        let expected = match literal {
            Literal::Nothing => REFERENCE,
            Literal::PlainUrl => PLAIN_URL,
        };
        let value = self.ask_or_miss(key, need, expected)?;
        let refusal = Refusal::new(expected);
        let refusal = match value.get_ref() {
            DeValue::Table(table) => return self.referenced(key, value, table),
            DeValue::String(text) => match (literal, url_without_password(text)) {
                (Literal::PlainUrl, true) => {
                    self.ledger().make_public(&value.span());
                    return Some(Secret::new(text.as_ref()));
                }
                (Literal::PlainUrl, false) | (Literal::Nothing, _) => refusal.hint(MOVE_IT),
            },
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => refusal,
        };
        self.refuse(key, &path::join(&self.path, key), value, refusal);
        None
    }

    fn referenced(
        &self,
        key: &str,
        value: &'d Spanned<DeValue<'d>>,
        table: &'d DeTable<'d>,
    ) -> Option<Secret> {
        let place = path::join(&self.path, key);
        let reference = Self::present(self.document, place, value.span(), table);
        match (reference.ask("env"), reference.ask("file")) {
            (Some(name), None) => reference.resolve_variable(name),
            (None, Some(file)) => reference.resolve_file(file),
            (Some(_), Some(_)) => {
                let expected = "either env or file, not both";
                reference.section_problem(expected, Some("remove one of them"));
                None
            }
            (None, None) => {
                // Missing under the name that a misspelt key is near to, so that the review can
                // make one problem of the two.
                let mut near =
                    table.keys().filter_map(|key| closest(key.get_ref(), ["env", "file"]));
                let key = near.next().unwrap_or("env");
                let place = path::join(&reference.path, key);
                let span = value.span();
                let refusal = Refusal::new(REFERENCE);
                reference.record(ProblemKind::Missing, key, &place, span, refusal);
                None
            }
        }
    }

    fn resolve_variable(&self, value: &Spanned<DeValue<'_>>) -> Option<Secret> {
        let place = path::join(&self.path, "env");
        let Some(name) = value.get_ref().as_str().filter(|name| is_variable_name(name)) else {
            // Not shown: the secret itself may stand where its variable's name belongs.
            let refusal = Refusal::new("the name of an environment variable");
            self.refuse("env", &place, value, refusal);
            return None;
        };
        self.make_public(value);
        let resolved = self.document.environment().variable(name);
        self.checked("env", value, resolved.map_err(|error| unresolved(&error)))
    }

    fn resolve_file(&self, value: &Spanned<DeValue<'_>>) -> Option<Secret> {
        let place = path::join(&self.path, "file");
        let Some(file) = value.get_ref().as_str().filter(|file| is_path(file)) else {
            self.refuse("file", &place, value, Refusal::new("the path of a file"));
            return None;
        };
        self.make_public(value);
        let resolved = self.document.environment().file(Path::new(file)).map(|text| {
            let line = text.strip_suffix('\n').unwrap_or(&text);
            line.strip_suffix('\r').unwrap_or(line).to_owned()
        });
        self.checked("file", value, resolved.map_err(|error| unresolved(&error)))
    }

    fn checked(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        resolved: Result<String, Refusal>,
    ) -> Option<Secret> {
        let refusal = match resolved {
            Ok(text) if !text.is_empty() => return Some(Secret::new(text)),
            Ok(_) => Refusal::new("a reference to a secret that is not empty"),
            Err(refusal) => refusal,
        };
        self.refuse(key, &path::join(&self.path, key), value, refusal);
        None
    }
}

fn unresolved(error: &EnvironmentError) -> Refusal {
    match error {
        EnvironmentError::VariableNotSet { .. } => Refusal::new("a variable that is set")
            .hint("set it in the environment of this process, and check its spelling"),
        EnvironmentError::VariableNotText { .. } => {
            Refusal::new("a variable that holds text").hint("set it to valid Unicode")
        }
        EnvironmentError::FileNotRead { path, source } => Refusal::new("a readable text file")
            .hint(format!("check that this process can read {} ({source})", path.display())),
    }
}

fn is_variable_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_path(path: &str) -> bool {
    !path.is_empty() && !path.contains("://") && !path.contains(char::is_control)
}

/// Whether `text` is a URL in which no place for a password is used. Errs on the side of a refusal:
/// a password may itself hold the characters that end the authority of a URL.
fn url_without_password(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let scheme_is_plain = !scheme.is_empty()
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let user = rest.rsplit_once('@').map_or("", |(user, _)| user);
    let authority = rest.rsplit_once('@').map_or(rest, |(_, authority)| authority);
    let host = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let port_is_number = host.rsplit_once(':').is_none_or(|(_, port)| {
        port.ends_with(']') || port.bytes().all(|byte| byte.is_ascii_digit())
    });
    let lower = rest.to_ascii_lowercase();
    let names_a_secret =
        ["password", "passwd", "pwd=", "secret", "token"].iter().any(|word| lower.contains(word));
    scheme_is_plain && !user.contains(':') && port_is_number && !names_a_secret
}

#[cfg(test)]
mod tests {
    use super::url_without_password;

    #[test]
    fn finds_a_password_wherever_a_url_can_hold_one() {
        for url in [
            "postgres://localhost",
            "postgres://user@localhost:5432/db",
            "postgres://[::1]:5432/db?sslmode=require",
            "postgres:///db?host=/run/postgresql",
            "http://registry.example:8081/path",
        ] {
            assert!(url_without_password(url), "{url}");
        }
        for url in [
            "postgres://user:hunter2@localhost/db",
            "postgres://:hunter2@localhost",
            "postgres://user:hun/ter2@localhost",
            "postgres://user:hunter2/localhost",
            "postgres://user:hunt@er2@localhost",
            "postgres://localhost/db?password=hunter2",
            "postgres://localhost/db?PASSWORD=hunter2",
            "host=localhost password=hunter2",
            "hunter2",
            "://localhost",
            "",
        ] {
            assert!(!url_without_password(url), "{url}");
        }
    }
}
