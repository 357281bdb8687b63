//! Puts the commit that the program is built from into it.
//!
//! It runs again when the work tree comes to another commit and not with every build, so it does not say
//! whether files differ from that commit: whoever reports on a program looks at the work tree for that.

#[path = "build/commit.rs"]
mod commit;

use std::env;
use std::path::PathBuf;

fn main() {
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    let built = commit::of(&package);
    println!("cargo::rustc-env=CDC_COMMIT={}", built.name);
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build/commit.rs");
    for path in built.watched {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}
