//! Makes of the files that are written what the `web` function serves: its build script calls this.
//!
//! A script, a stylesheet or an image is served under a name with a hash of its bytes in it, so it may be kept for ever; what
//! refers to it is rewritten, which changes that file's bytes and hence its name, so names are found from the leaves up.
//! Pages, and what programs and browsers know by name, keep theirs. Everything is compressed here, once, as well as can be.

mod compress;
mod references;
mod shorten;
mod site;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

pub use self::site::{Caching, Served};

/// Files by their paths, below the folder that they were read from.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What follows a path's last point.
fn extension(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(_, extension)| extension)
}

/// All files of a folder and those below it; what begins with a dot or ends with a tilde is somebody's own.
pub fn read(folder: &Path) -> Result<Files> {
    let mut files = Files::new();
    read_into(&mut files, folder, "")?;
    Ok(files)
}

fn read_into(files: &mut Files, folder: &Path, below: &str) -> Result<()> {
    let unreadable = || format!("{} cannot be read", folder.display());
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        let path = format!("{below}{name}");
        if entry.path().is_dir() {
            read_into(files, &entry.path(), &format!("{path}/"))?;
        } else {
            let bytes = fs::read(entry.path());
            files.insert(path.clone(), bytes.with_context(|| format!("{path} cannot be read"))?);
        }
    }
    Ok(())
}

/// What is served of the client and of the API's documents, by its path.
pub fn serve(client: &Files, documents: &Files) -> Result<BTreeMap<String, Served>> {
    let mut served = site::serve(client)?;
    served.extend(documents.iter().map(|(path, bytes)| {
        (format!("/{path}"), Served { kind: site::JSON, caching: Caching::Shortly, body: bytes.clone() })
    }));
    Ok(served)
}

/// Writes all of it into a folder, compressed, and `files.rs`, an expression that embeds it, in the order of the paths.
pub fn write(served: &BTreeMap<String, Served>, folder: &Path) -> Result<()> {
    let mut list = "[\n".to_owned();
    for (number, (path, Served { kind, caching, body })) in served.iter().enumerate() {
        fs::write(folder.join(number.to_string()), body)?;
        let brotli = compressed(folder, &format!("{number}.br"), body, compress::brotli(body)?)?;
        let gzip = compressed(folder, &format!("{number}.gz"), body, compress::gzip(body)?)?;
        let (plain, cache_control, tag) =
            (embedding(&number.to_string()), caching.header(), site::hash(body, 16));
        writeln!(
            list,
            "    File {{ path: {path:?}, kind: {kind:?}, cache_control: {cache_control:?}, tag: {tag:?}, \
             plain: {plain}, brotli: {brotli}, gzip: {gzip} }},",
        )?;
    }
    fs::write(folder.join("files.rs"), list + "]\n")?;
    Ok(())
}

/// Writes a compressed file, unless it was compressed already, as images are, and has only grown.
fn compressed(folder: &Path, name: &str, body: &[u8], compressed: Vec<u8>) -> Result<String> {
    if compressed.len() >= body.len() {
        return Ok("None".to_owned());
    }
    fs::write(folder.join(name), compressed)?;
    Ok(format!("Some({})", embedding(name)))
}

fn embedding(name: &str) -> String {
    format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}\"))")
}
