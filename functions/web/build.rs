//! Makes of `client` and `documents` what is embedded into the function.

use std::path::Path;

use anyhow::Context;

fn main() -> anyhow::Result<()> {
    println!("cargo:rerun-if-changed=client");
    println!("cargo:rerun-if-changed=documents");
    let (client, documents) = (embed::read(Path::new("client"))?, embed::read(Path::new("documents"))?);
    #[expect(
        clippy::disallowed_methods,
        reason = "cargo tells a build script where to write by the environment alone"
    )]
    let out_dir = std::env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?;
    embed::write(&embed::serve(&client, &documents)?, Path::new(&out_dir))
}
