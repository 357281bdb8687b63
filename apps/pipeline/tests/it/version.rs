//! The program names the commit that it was built from, whichever way its files came here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "../../build/commit.rs"]
mod commit;

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn run(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).current_dir(folder).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Git without the settings of whoever runs the test.
fn git(folder: &Path, arguments: &[&str]) -> String {
    let own = ["-c", "user.name=a test", "-c", "user.email=test@localhost"];
    run(folder, "git", &[&own[..], arguments].concat())
}

#[test]
fn the_version_names_the_commit_of_the_files() {
    let version = run(package(), env!("CARGO_BIN_EXE_cdc-pipeline"), &["--version"]);
    let built = commit::of(package());
    assert_eq!(version, format!("cdc-pipeline {} ({})", env!("CARGO_PKG_VERSION"), built.name));
}

/// A repository with this package's files for the commit, and the place of the package in it.
fn repository(folder: &Path) -> PathBuf {
    let place = folder.join("apps/pipeline");
    fs::create_dir_all(&place).unwrap();
    for file in [".gitattributes", "commit.txt"] {
        // In an archive the name has been written already.
        let text = fs::read_to_string(package().join(file)).unwrap_or_default();
        let text = if file == "commit.txt" { "$Format:%h$\n".to_owned() } else { text };
        fs::write(place.join(file), text).unwrap();
    }
    git(folder, &["init", "--quiet", "."]);
    git(folder, &["add", "."]);
    git(folder, &["commit", "--quiet", "--message", "first"]);
    place
}

#[test]
fn a_clone_and_an_archive_name_the_same_commit_and_other_copies_none() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("project");
    let place = repository(&root);
    let name = git(&root, &["rev-parse", "--short", "HEAD"]);
    assert_eq!(commit::of(&place).name, name);

    let archive = folder.path().join("project.tar");
    git(&root, &["archive", "--output", archive.to_str().unwrap(), "HEAD"]);
    // In the work tree of another project, whose commit is none of these files.
    let other = folder.path().join("other");
    repository(&other);
    let unpacked = other.join("vendored");
    fs::create_dir(&unpacked).unwrap();
    run(&unpacked, "tar", &["xf", archive.to_str().unwrap()]);
    let place = unpacked.join("apps/pipeline");
    assert_eq!(commit::of(&place).name, name);
    fs::remove_file(place.join("commit.txt")).unwrap();
    assert_eq!(commit::of(&place), commit::Built { name: "unknown".to_owned(), watched: vec![] });
}

#[test]
fn what_is_watched_changes_with_the_commit_and_not_without() {
    let folder = tempfile::tempdir().unwrap();
    for reflog in ["true", "false"] {
        let root = folder.path().join(reflog);
        fs::create_dir(&root).unwrap();
        git(&root, &["init", "--quiet", "."]);
        git(&root, &["config", "core.logAllRefUpdates", reflog]);
        let place = repository(&root);
        let seen = || -> Vec<_> {
            let watched = commit::of(&place).watched;
            assert!(!watched.is_empty() && watched.iter().all(|path| path.exists()), "{watched:?}");
            let files = watched.into_iter().filter(|path| path.is_file());
            files.map(|path| fs::read(path).unwrap()).collect()
        };
        let first = seen();
        fs::write(place.join("commit.txt"), "changed").unwrap();
        assert_eq!(seen(), first);
        git(&root, &["commit", "--quiet", "--all", "--message", "second"]);
        assert_ne!(seen(), first);
    }
}
