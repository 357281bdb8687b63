//! The configuration file as settings: what this program shares with the others.

pub(crate) use cdc_setup::{NoKafka, Origin, Settings, Table};
