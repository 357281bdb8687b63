//! What to do about the server's refusals. Messages come in the server's language, so they are told apart
//! by code, by the routine that raised them, and by names of settings, which are never translated.

use super::ServerAnswer;

/// What an operator should do next; the server's own hint where there is none of ours.
pub(super) fn for_answer(answer: &ServerAnswer) -> Option<String> {
    let own = match answer.sqlstate() {
        "28000" if answer.message().contains("pg_hba.conf") => {
            "let the role in with a line in pg_hba.conf of the source (for its database, not for \
             `replication`) and reload it, or set `sslmode` in `source.postgres.url`"
        }
        "28P01" | "28000" => "correct the role or the password in `source.postgres.url`",
        "3D000" => "create the database, or correct its name in `source.postgres.url`",
        "42501" => return Some(for_rights(answer).to_owned()),
        "42704" if is_about_slots(answer) => {
            "correct `source.postgres.slot`, or start anew with a snapshot: the slot is gone"
        }
        "42710" if is_about_slots(answer) => {
            "choose another `source.postgres.slot`, or drop the slot if nobody uses it: SELECT \
             pg_drop_replication_slot('…')"
        }
        "0A000" | "55000" if answer.message().contains("wal_level") => {
            "run ALTER SYSTEM SET wal_level = 'logical' on the source and restart it"
        }
        "0A000" | "55000" if answer.message().contains("max_replication_slots") => {
            "raise `max_replication_slots` of the source and restart it"
        }
        "0A000" if answer.routine() == "CheckLogicalDecodingRequirements" => {
            "connect to the primary: this server is a standby and cannot decode"
        }
        "55000" if is_about_slots(answer) => {
            "drop the slot with SELECT pg_drop_replication_slot('…') and start anew with a snapshot: the \
             source no longer has what the slot stood for; raise `max_slot_wal_keep_size` of the source so \
             that it lasts longer"
        }
        "53300" if answer.message().contains("max_wal_senders") => {
            "raise `max_wal_senders` of the source and restart it, or end replication that nobody needs: \
             SELECT pid, application_name FROM pg_stat_replication"
        }
        "53300" => {
            "raise `max_connections` of the source, or the role's CONNECTION LIMIT, or close sessions"
        }
        "53400" => {
            "drop slots that nobody uses (SELECT slot_name FROM pg_replication_slots WHERE NOT active), \
             or raise `max_replication_slots` of the source and restart it"
        }
        "55006" => return Some(for_active_slot(answer)),
        "58P01" => "start anew with a snapshot: the source has removed the log that is needed",
        _ => return answer.hint().map(str::to_owned),
    };
    Some(own.to_owned())
}

/// Whether it was raised where slots are found, made, or read from.
fn is_about_slots(answer: &ServerAnswer) -> bool {
    let routine = answer.routine();
    routine.starts_with("ReplicationSlot")
        || routine.contains("ReplicationSlot")
        || matches!(routine, "CreateDecodingContext" | "StartLogicalReplication")
}

fn for_rights(answer: &ServerAnswer) -> &'static str {
    match answer.routine() {
        "InitPostgres" | "CheckSlotPermissions" | "check_permissions" => {
            "give the role the right to replicate: ALTER ROLE … REPLICATION"
        }
        "check_enable_rls" => {
            "give the role BYPASSRLS: policies hide rows from it, and a copy without them would be \
             incomplete"
        }
        _ => {
            "grant the missing right to the role: CONNECT on the database, USAGE on the schema, SELECT on \
             the tables; a publication is made by the owner of its tables"
        }
    }
}

/// The message ends with the number of the process that holds the slot, in every language.
fn for_active_slot(answer: &ServerAnswer) -> String {
    let last_number =
        answer.message().rsplit(|c: char| !c.is_ascii_digit()).find(|t| !t.is_empty());
    match last_number {
        Some(pid) => format!(
            "wait until the process {pid} of the source gives the slot up, or end it with SELECT \
             pg_terminate_backend({pid})"
        ),
        None => "end the session that holds the slot: SELECT active_pid FROM pg_replication_slots"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(code: &str, message: &str, routine: &str) -> String {
        let body = format!("VERROR\0C{code}\0M{message}\0R{routine}\0\0");
        for_answer(&ServerAnswer::parse(body.as_bytes())).unwrap_or_default()
    }

    #[test]
    fn the_holder_of_a_slot_is_named_in_every_language() {
        for message in [
            "replication slot \"s_1\" is active for PID 4711",
            "Replikations-Slot »s_1« ist aktiv für PID 4711",
        ] {
            let hint = hint("55006", message, "ReplicationSlotAcquire");
            assert!(hint.contains("pg_terminate_backend(4711)"), "{hint}");
        }
        assert!(hint("55006", "busy", "x").contains("active_pid"));
    }

    #[test]
    fn a_code_with_several_causes_is_told_apart() {
        let level = hint("55000", "… wal_level >= logical", "CheckLogicalDecodingRequirements");
        assert!(level.contains("ALTER SYSTEM SET wal_level"), "{level}");
        for routine in ["CreateDecodingContext", "ReplicationSlotAcquire"] {
            let lost = hint("55000", "can no longer get changes", routine);
            assert!(lost.contains("pg_drop_replication_slot"), "{lost}");
        }
        let senders = hint("53300", "… exceeds max_wal_senders (currently 0)", "InitProcess");
        assert!(senders.contains("max_wal_senders"), "{senders}");
        assert!(hint("53300", "too many clients", "InitProcess").contains("max_connections"));
        assert!(hint("42501", "denied", "InitPostgres").contains("REPLICATION"));
        assert!(hint("42501", "denied", "aclcheck_error").contains("SELECT"));
    }

    #[test]
    fn elsewhere_the_server_has_the_word() {
        let body = b"VERROR\0C42P01\0Mno table\0HPerhaps you meant x.\0\0";
        let answer = ServerAnswer::parse(body);
        assert_eq!(for_answer(&answer).as_deref(), Some("Perhaps you meant x."));
    }
}
