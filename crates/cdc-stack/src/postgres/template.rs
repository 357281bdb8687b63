//! Freshly initialised data folders at the price of a copy: `initdb` takes half a second, the
//! copy of its result some hundredths.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::PostgresBinaries;
use crate::StackError;
use crate::cache;
use crate::file::{copy_tree, digest};
use crate::process::{Account, run};

/// Part of the cached folder's name: other arguments give another folder.
///
/// The C locale makes text order the same on every machine. No password is needed since the
/// server listens on the loopback interface only.
const INITDB: [&str; 7] = [
    "--username=postgres",
    "--auth=trust",
    "--encoding=UTF8",
    "--locale=C",
    "--no-sync",
    "--no-instructions",
    "--data-checksums",
];

/// Fills `data`, which must not exist, with a new cluster owned by `account`.
pub(super) fn create_data(
    binaries: &PostgresBinaries,
    account: Option<Account>,
    data: &Path,
) -> Result<(), StackError> {
    let version = binaries.version()?;
    let mut parts = vec![version.as_str()];
    parts.extend(INITDB);
    let name = format!("postgres-{}", digest(&parts));
    let template = cache::entry(&name, |folder| initialise(binaries, account, folder))?;
    copy_tree(&template, data)?;
    own_tree(data, account)
}

/// Runs `initdb` where the account can write, then copies the result to where the starter can.
fn initialise(
    binaries: &PostgresBinaries,
    account: Option<Account>,
    folder: &Path,
) -> Result<(), StackError> {
    let scratch = tempfile::Builder::new()
        .prefix("cdc-initdb-")
        .tempdir()
        .map_err(StackError::io("create a temporary folder in", &std::env::temp_dir()))?;
    own(scratch.path(), account)?;
    let data: PathBuf = scratch.path().join("data");
    let mut command = Command::new(binaries.program("initdb"));
    command.args(INITDB).arg("--pgdata").arg(&data).current_dir(scratch.path());
    if let Some(account) = account {
        account.apply(&mut command);
    }
    run(&mut command, "initdb")?;
    copy_tree(&data, folder)
}

/// Gives a file or folder to the account, when there is one.
pub(super) fn own(path: &Path, account: Option<Account>) -> Result<(), StackError> {
    let Some(account) = account else { return Ok(()) };
    chown(path, Some(account.uid), Some(account.gid))
        .map_err(StackError::io("change the owner of", path))
}

/// Gives a folder and all it holds to the account, and closes it to others: PostgreSQL refuses a
/// data folder that others can read.
fn own_tree(folder: &Path, account: Option<Account>) -> Result<(), StackError> {
    fs::set_permissions(folder, Permissions::from_mode(0o700))
        .map_err(StackError::io("set the permissions of", folder))?;
    own(folder, account)?;
    for entry in fs::read_dir(folder).map_err(StackError::io("read the folder", folder))? {
        let entry = entry.map_err(StackError::io("read the folder", folder))?;
        let kind = entry.file_type().map_err(StackError::io("inspect", &entry.path()))?;
        if kind.is_dir() {
            own_tree(&entry.path(), account)?;
        } else {
            own(&entry.path(), account)?;
        }
    }
    Ok(())
}
