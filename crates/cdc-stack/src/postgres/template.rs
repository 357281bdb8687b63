//! Freshly initialised data folders at the price of a copy: `initdb` takes half a second, the
//! copy of its result some hundredths.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::PostgresBinaries;
use crate::StackError;
use crate::cache;
use crate::process::{Account, run};
use crate::text::digest;

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
    copy_tree(&template, data, account)
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
    copy_tree(&data, folder, None)
}

/// Gives a file or folder to the account, when there is one.
pub(super) fn own(path: &Path, account: Option<Account>) -> Result<(), StackError> {
    let Some(account) = account else { return Ok(()) };
    chown(path, Some(account.uid), Some(account.gid))
        .map_err(StackError::io("change the owner of", path))
}

fn copy_tree(from: &Path, to: &Path, account: Option<Account>) -> Result<(), StackError> {
    if !to.is_dir() {
        fs::create_dir(to).map_err(StackError::io("create the folder", to))?;
    }
    // PostgreSQL refuses a data folder that others can read.
    fs::set_permissions(to, Permissions::from_mode(0o700))
        .map_err(StackError::io("set the permissions of", to))?;
    own(to, account)?;
    for entry in fs::read_dir(from).map_err(StackError::io("read the folder", from))? {
        let entry = entry.map_err(StackError::io("read the folder", from))?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type().map_err(StackError::io("inspect", &entry.path()))?;
        if kind.is_dir() {
            copy_tree(&entry.path(), &target, account)?;
        } else {
            fs::copy(entry.path(), &target).map_err(StackError::io("copy a file to", &target))?;
            own(&target, account)?;
        }
    }
    Ok(())
}
