//! The server's own errors: what of them is kept, and what their codes say about going on.

use std::fmt;

use cdc_core::{ErrorClass, Halt};

/// An error of the server. What may repeat values of rows is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAnswer {
    sqlstate: String,
    message: String,
    hint: Option<String>,
    /// The routine of the server that raised it: unlike the message, it is never translated.
    routine: Option<String>,
    ends_session: bool,
}

/// A server that names no code is no PostgreSQL; the standard's code for an unknown state.
const UNKNOWN: &str = "XX000";

impl ServerAnswer {
    /// The fields of an `ErrorResponse`: a letter each, a text, and a zero byte. Text that is no UTF-8, which
    /// servers send before they know the client's encoding, is read as far as it goes.
    pub(crate) fn parse(body: &[u8]) -> Self {
        let mut answer = Self {
            sqlstate: UNKNOWN.to_owned(),
            message: String::new(),
            hint: None,
            routine: None,
            ends_session: false,
        };
        for field in body.split(|byte| *byte == 0) {
            let Some((letter, text)) = field.split_first() else { continue };
            let text = String::from_utf8_lossy(text);
            match letter {
                b'C' => answer.sqlstate = text.into_owned(),
                b'M' => answer.message = text.into_owned(),
                b'H' => answer.hint = Some(text.into_owned()),
                b'R' => answer.routine = Some(text.into_owned()),
                b'V' => answer.ends_session = matches!(&*text, "FATAL" | "PANIC"),
                _ => {}
            }
        }
        if answer.may_repeat_values() {
            answer.message = String::from("the message is left out, as it may repeat a value");
            answer.hint = None;
        }
        answer
    }

    /// The code.
    pub fn sqlstate(&self) -> &str {
        &self.sqlstate
    }

    /// The message, in the server's language.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What the server recommends.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The routine of the server that raised it.
    pub(crate) fn routine(&self) -> &str {
        self.routine.as_deref().unwrap_or_default()
    }

    /// Whether the server has closed the session with it.
    pub(crate) fn ends_session(&self) -> bool {
        self.ends_session
    }

    /// Whether it may be gone a little later.
    pub(crate) fn is_passing(&self) -> bool {
        self.class() == ErrorClass::Transient
    }

    /// Data exceptions, broken constraints and what functions raise.
    fn may_repeat_values(&self) -> bool {
        ["22", "23", "P0"].iter().any(|class| self.sqlstate.starts_with(class))
    }

    pub(crate) fn class(&self) -> ErrorClass {
        match &*self.sqlstate {
            // Serialisation, deadlock, memory, connections, a slot or object in use, a lock, a cancelled
            // statement, and a server that shuts down, crashed, or starts up.
            "40001" | "40P01" | "53200" | "53300" | "55006" | "55P03" | "57014" | "57P01"
            | "57P02" | "57P03" | "57P05" => ErrorClass::Transient,
            code if code.starts_with("08") => ErrorClass::Transient,
            _ if self.may_repeat_values() => ErrorClass::Fatal(Halt::Data),
            _ => ErrorClass::Fatal(Halt::Environment),
        }
    }
}

impl fmt::Display for ServerAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused with SQLSTATE {}: {}", self.sqlstate, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_message_and_hint_of_the_server_are_kept() {
        let body = b"SERROR\0VERROR\0C55000\0Mlogical decoding requires wal_level >= logical\0\
                     HDo it.\0Ff.c\0L1\0RCheckLogicalDecodingRequirements\0\0";
        let answer = ServerAnswer::parse(body);
        assert_eq!(answer.sqlstate(), "55000");
        assert_eq!(answer.hint(), Some("Do it."));
        assert_eq!(answer.routine(), "CheckLogicalDecodingRequirements");
        assert!(!answer.ends_session());
        assert_eq!(
            answer.to_string(),
            "refused with SQLSTATE 55000: logical decoding requires wal_level >= logical"
        );
    }

    #[test]
    fn messages_that_may_repeat_values_are_left_out() {
        let body =
            b"VERROR\0C22P02\0Minvalid input syntax for type integer: \"secret\"\0Hsecret\0\0";
        let answer = ServerAnswer::parse(body);
        assert!(!format!("{answer} {answer:?}").contains("secret"));
        assert_eq!(answer.class(), ErrorClass::Fatal(Halt::Data));
    }

    #[test]
    fn malformed_answers_are_answers() {
        for body in [&b""[..], b"\0", b"C", b"M\xff\xfe\0C", b"no end"] {
            let answer = ServerAnswer::parse(body);
            assert!(answer.sqlstate().is_empty() || answer.sqlstate() == UNKNOWN, "{answer:?}");
        }
    }

    #[test]
    fn a_server_that_is_about_to_come_or_go_passes() {
        for code in ["57P01", "57P02", "57P03", "53300", "08006", "55006"] {
            let body = format!("VFATAL\0C{code}\0Mno\0\0");
            let answer = ServerAnswer::parse(body.as_bytes());
            assert!(answer.is_passing() && answer.ends_session(), "{code}");
        }
        for code in ["28P01", "28000", "3D000", "42501", "55000", "53400"] {
            let body = format!("VFATAL\0C{code}\0Mno\0\0");
            assert!(!ServerAnswer::parse(body.as_bytes()).is_passing(), "{code}");
        }
    }
}
