//! The source against a real PostgreSQL.
