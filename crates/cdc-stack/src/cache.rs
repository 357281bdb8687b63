//! The folder for what is expensive to make and safe to share between runs and processes:
//! PostgreSQL's freshly initialised data folder and the Java archives of Kafka and Debezium.
//!
//! Each entry is made under a file lock in a sibling folder and renamed into place, so that an
//! entry which exists is complete.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::StackError;

/// The cache folder: `$CDC_STACK_DIR`; else `stack` in Cargo's target folder when the running
/// program lies in one; else `cdc-stack` in the user's cache folder.
pub fn cache_dir() -> PathBuf {
    if let Some(dir) = env::var_os("CDC_STACK_DIR").filter(|dir| !dir.is_empty()) {
        return PathBuf::from(dir);
    }
    if let Some(target) = env::current_exe().ok().as_deref().and_then(cargo_target) {
        return target.join("stack");
    }
    user_cache().join("cdc-stack")
}

/// The ancestor which Cargo marked as its target folder.
fn cargo_target(program: &Path) -> Option<PathBuf> {
    program
        .ancestors()
        .skip(1)
        .find(|folder| {
            folder.join("CACHEDIR.TAG").is_file() && folder.join(".rustc_info.json").is_file()
        })
        .map(Path::to_owned)
}

fn user_cache() -> PathBuf {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_CACHE_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(env::temp_dir)
}

/// The cached folder `name`, made by `fill` if it does not exist yet.
///
/// `fill` gets an empty folder. Other processes that want the same entry wait meanwhile.
pub(crate) fn entry(
    name: &str,
    fill: impl FnOnce(&Path) -> Result<(), StackError>,
) -> Result<PathBuf, StackError> {
    let cache = cache_dir();
    let ready = cache.join(name);
    if ready.is_dir() {
        return Ok(ready);
    }
    fs::create_dir_all(&cache).map_err(StackError::io("create the folder", &cache))?;
    let lock_path = cache.join(format!("{name}.lock"));
    let lock = File::create(&lock_path).map_err(StackError::io("create the file", &lock_path))?;
    lock.lock().map_err(StackError::io("lock the file", &lock_path))?;
    if ready.is_dir() {
        return Ok(ready);
    }
    let unfinished = cache.join(format!("{name}.unfinished"));
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)
            .map_err(StackError::io("remove the folder", &unfinished))?;
    }
    fs::create_dir(&unfinished).map_err(StackError::io("create the folder", &unfinished))?;
    fill(&unfinished)?;
    fs::rename(&unfinished, &ready).map_err(StackError::io("rename into place", &unfinished))?;
    Ok(ready)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_folder_of_a_test_binary_is_found() {
        let found = cargo_target(&env::current_exe().unwrap());
        assert!(found.is_some_and(|folder| folder.join("CACHEDIR.TAG").exists()));
        assert_eq!(cargo_target(Path::new("/usr/bin/env")), None);
    }

    #[test]
    fn a_failed_fill_leaves_no_entry_and_the_next_one_is_complete() {
        let name = format!("test-entry-{}", std::process::id());
        let failed = entry(&name, |_| Err(StackError::NoUnprivilegedUser));
        assert!(failed.is_err());
        let made = entry(&name, |folder| {
            fs::write(folder.join("file"), "x").map_err(StackError::io("write", folder))
        })
        .unwrap();
        let again = entry(&name, |_| Err(StackError::NoUnprivilegedUser)).unwrap();
        assert_eq!(made, again);
        assert!(made.join("file").is_file());
        fs::remove_dir_all(made).unwrap();
        fs::remove_file(cache_dir().join(format!("{name}.lock"))).unwrap();
    }
}
