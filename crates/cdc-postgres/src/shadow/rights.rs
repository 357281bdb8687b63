//! Which rights a rebuild and the exchange at its end take, beside those of a run: asked before anything is
//! read, because what is missing at the end would be found after hours.

use cdc_core::Halt;

use super::Shadow;
use crate::check::{Finding, Severity, error, rights, state_rights, temporary};
use crate::error::{PostgresError, Refusal, from_driver};
use crate::ident::QualifiedName;
use crate::settings::Mode;

/// What is done with the live table: it is locked, compared, and its rows are exchanged.
const LIVE: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "DELETE"];

/// What a run keeps about itself is removed at its end, of which a pipeline removes nothing.
const FORGOTTEN: [&str; 4] = ["cdc.checkpoint", "cdc.topic", "cdc.dead_letter", "cdc.table_event"];

const CREATE: &str = "
SELECT has_schema_privilege(n.oid, 'CREATE'), quote_ident(n.nspname), quote_ident(current_user)
  FROM pg_catalog.pg_namespace n
 WHERE n.nspname = $1";

/// A shadow that somebody else has begun can be read into, and neither analysed nor dropped.
const OWN: &str = "
SELECT pg_has_role(c.relowner, 'USAGE'), quote_ident(pg_get_userbyid(c.relowner)),
       quote_ident(current_user)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = $1 AND c.relname = $2";

/// The sequences behind defaults. Those of identities ask nobody for a right.
const SEQUENCES: &str = "
SELECT DISTINCT sn.nspname || '.' || s.relname, quote_ident(sn.nspname),
       quote_ident(sn.nspname) || '.' || quote_ident(s.relname), quote_ident(current_user)
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_attrdef f ON f.adrelid = c.oid
  JOIN pg_catalog.pg_depend d
    ON d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = f.oid
   AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
  JOIN pg_catalog.pg_class s ON s.oid = d.refobjid AND s.relkind = 'S'
  JOIN pg_catalog.pg_namespace sn ON sn.oid = s.relnamespace
 WHERE n.nspname = $1 AND c.relname = $2
   AND NOT (has_schema_privilege(sn.oid, 'USAGE') AND has_sequence_privilege(s.oid, 'USAGE'))
 ORDER BY 3";

impl Shadow {
    /// Makes sure that the role may do everything, up to the exchange.
    ///
    /// # Errors
    ///
    /// Every right that is missing, with the statement that grants it.
    pub async fn require_rights(&mut self) -> Result<(), PostgresError> {
        let mut lacks = Vec::new();
        let forgotten = FORGOTTEN.iter().filter_map(|table| QualifiedName::parse(table).ok());
        let forgotten = forgotten.map(|table| ("DELETE", table));
        let live = LIVE.iter().map(|right| (*right, self.live.target.0.clone()));
        let needed = state_rights().chain(forgotten).chain(live);
        rights(&mut self.session, needed, &mut lacks).await?;
        if matches!(self.live.mode, Mode::Mirror { .. }) {
            let severity = Severity::Error(Halt::Environment);
            lacks.extend(temporary(&mut self.session, "mirrors", severity).await?);
        }
        self.require_creation(&mut lacks).await?;
        self.require_sequences(&mut lacks).await?;
        if lacks.is_empty() {
            return Ok(());
        }
        let refusal = |Finding { message, fix, .. }| Refusal { message, fix };
        Err(PostgresError::Rights {
            table: self.live.target.to_string(),
            lacks: lacks.into_iter().map(refusal).collect(),
        })
    }

    /// The right to create the shadow; or, when it is there, to do with it what its owner may.
    async fn require_creation(&mut self, lacks: &mut Vec<Finding>) -> Result<(), PostgresError> {
        let failed = |error| from_driver("asking for rights", error);
        let (name, halt) = (self.name.0.clone(), Halt::Environment);
        let owned: Option<(bool, String, String)> = sqlx::query_as(OWN)
            .bind(name.schema.as_str())
            .bind(name.name.as_str())
            .fetch_optional(self.session.driver())
            .await
            .map_err(failed)?;
        if let Some((is_owned, owner, role)) = owned {
            if !is_owned {
                let message = format!("{} belongs to {owner}, and {role} is no member", self.name);
                let grant = format!("GRANT {owner} TO {role};");
                lacks.push(error("right_missing", halt, message, grant));
            }
            return Ok(());
        }
        let may: Option<(bool, String, String)> = sqlx::query_as(CREATE)
            .bind(name.schema.as_str())
            .fetch_optional(self.session.driver())
            .await
            .map_err(failed)?;
        if let Some((false, schema, role)) = may {
            let message = format!("the role {role} may not create {} in its schema", self.name);
            let grant = format!("GRANT USAGE, CREATE ON SCHEMA {schema} TO {role};");
            lacks.push(error("right_missing", halt, message, grant));
        }
        Ok(())
    }

    /// Rows that are added to the live table take their numbers from its sequences.
    async fn require_sequences(&mut self, lacks: &mut Vec<Finding>) -> Result<(), PostgresError> {
        let live = self.live.target.0.clone();
        let found: Vec<(String, String, String, String)> = sqlx::query_as(SEQUENCES)
            .bind(live.schema.as_str())
            .bind(live.name.as_str())
            .fetch_all(self.session.driver())
            .await
            .map_err(|error| from_driver("asking for rights", error))?;
        for (sequence, schema, quoted, role) in found {
            let message = format!("the role {role} may not take numbers from {sequence}");
            let grant = format!(
                "GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT USAGE ON SEQUENCE {quoted} TO {role};"
            );
            lacks.push(error("right_missing", Halt::Environment, message, grant));
        }
        Ok(())
    }
}
