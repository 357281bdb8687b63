//! Commands in hints, written so that they can be pasted.

use std::path::Path;

use crate::cli::CONFIG_DEFAULT;

/// The commands that read the configuration file.
const COMMANDS: [&str; 11] = [
    "init",
    "check",
    "run",
    "verify",
    "ledger",
    "accept-source",
    "accept-gap",
    "accept-incarnation",
    "accept-partitions",
    "dead-letters list",
    "dead-letters retry",
];

/// Adds the `--config` that was given to each command that a text names in backticks: without it,
/// the command would read another file.
pub(crate) fn with_config(text: &str, config: &Path) -> String {
    let mut text = text.to_owned();
    if config == Path::new(CONFIG_DEFAULT) {
        return text;
    }
    let path = config.display().to_string();
    let path = if path.contains(char::is_whitespace) { format!("'{path}'") } else { path };
    for command in COMMANDS {
        let named = format!("`cdc-pipeline {command}");
        text = text.replace(&named, &format!("{named} --config {path}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_followed_by_the_file_that_was_given() {
        let text = "run `cdc-pipeline init --adopt`, then `cdc-pipeline check`";
        assert_eq!(with_config(text, Path::new("pipeline.toml")), text);
        assert_eq!(
            with_config(text, Path::new("my own.toml")),
            "run `cdc-pipeline init --config 'my own.toml' --adopt`, then `cdc-pipeline check --config \
             'my own.toml'`"
        );
    }
}
