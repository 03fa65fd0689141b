//! Writes the documents: `make documents`.

use std::{fs, io};

fn main() -> io::Result<()> {
    let folder = documents::folder();
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("openapi.json"), documents::written(&documents::openapi::document()))
}
