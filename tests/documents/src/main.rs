//! Writes the documents: `make documents`.

use std::{fs, io};

fn main() -> io::Result<()> {
    let folder = documents::folder();
    fs::create_dir_all(&folder)?;
    for (name, document) in
        [("openapi.json", documents::openapi::document()), ("asyncapi.json", documents::asyncapi::document())]
    {
        fs::write(folder.join(name), documents::written(&document))?;
    }
    Ok(())
}
