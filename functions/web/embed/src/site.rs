//! Which file is served under which path, and for how long it may be kept.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::references::{self, Reference};
use crate::shorten::shortened;
use crate::{Files, extension};

pub(crate) const JSON: &str = "application/json";
/// Of a name as many hexadecimal digits, 32 bits: it only has to differ from what the same file was before.
const DIGITS: usize = 8;

/// A file as it is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Its media type.
    pub kind: &'static str,
    /// For how long it may be kept.
    pub caching: Caching,
    /// The file.
    pub body: Vec<u8>,
}

/// For how long a file may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// For ever: another content has another name.
    Forever,
    /// For some minutes.
    Shortly,
    /// Only to be asked about.
    Never,
}

impl Caching {
    /// As the header has it.
    pub fn header(self) -> &'static str {
        match self {
            Self::Forever => "public, max-age=31536000, immutable",
            Self::Shortly => "public, max-age=300",
            Self::Never => "no-cache",
        }
    }
}

/// What is served of the client, by its path.
pub(crate) fn serve(client: &Files) -> Result<BTreeMap<String, Served>> {
    let site = Site { files: client, finished: RefCell::default() };
    let mut served = BTreeMap::new();
    for path in client.keys() {
        let kind = kind(path)?;
        if let Some((address, caching)) = stable(path) {
            // What programs import, people read.
            let body =
                if path == "client.js" { site.as_written(path)? } else { site.finish(path, &[])?.body };
            served.insert(address, Served { kind, caching, body });
        }
        if has_hash(path) {
            let Finished { address, body, .. } = site.finish(path, &[])?;
            served.insert(address, Served { kind, caching: Caching::Forever, body });
        }
    }
    Ok(served)
}

/// The first so many hexadecimal digits of a file's hash.
pub(crate) fn hash(body: &[u8], digits: usize) -> String {
    let mut hash = String::new();
    for byte in Sha256::digest(body) {
        write!(hash, "{byte:02x}").expect("a string takes whatever is written");
    }
    hash.truncate(digits);
    hash
}

fn kind(path: &str) -> Result<&'static str> {
    Ok(match extension(path) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        _ => bail!("{path} is no kind of file that is served"),
    })
}

/// The path of what is known by name: pages, and what programs and browsers ask for.
fn stable(path: &str) -> Option<(String, Caching)> {
    Some(match path {
        "index.html" => ("/".to_owned(), Caching::Never),
        "client.js" => ("/client.js".to_owned(), Caching::Shortly),
        "service-worker.js" => ("/service-worker.js".to_owned(), Caching::Never),
        // Browsers ask for it by that name where a page says nothing, and go by its media type.
        "icon.svg" => ("/favicon.ico".to_owned(), Caching::Shortly),
        _ => match path.rsplit_once('.')? {
            (page, "html") => (format!("/{page}"), Caching::Never),
            (_, "webmanifest" | "txt") => (format!("/{path}"), Caching::Never),
            _ => return None,
        },
    })
}

/// Whether a file is also, or only, served under a name with its hash: what others of the client refer to.
fn has_hash(path: &str) -> bool {
    path != "service-worker.js" && !["html", "webmanifest", "txt"].contains(&extension(path))
}

struct Site<'f> {
    files: &'f Files,
    finished: RefCell<BTreeMap<String, Finished>>,
}

/// A file whose references are those that are served.
#[derive(Clone)]
struct Finished {
    address: String,
    body: Vec<u8>,
    /// The scripts that it imports, and those that they import, in the order in which they are first named.
    modules: Vec<String>,
}

impl Site<'_> {
    /// Finishes a file, and before it all that it refers to; `path_to` are those that led here.
    fn finish(&self, path: &str, path_to: &[&str]) -> Result<Finished> {
        if let Some(finished) = self.finished.borrow().get(path) {
            return Ok(finished.clone());
        }
        let path_to = [path_to, &[path]].concat();
        if let Some(first) = path_to.iter().position(|one| *one == path).filter(|at| *at + 1 < path_to.len())
        {
            bail!(
                "files that refer to each other in a circle have no hashes: {}",
                path_to[first..].join(" → ")
            );
        }
        let finished = self.finish_now(path, &path_to).with_context(|| path.to_owned())?;
        self.finished.borrow_mut().insert(path.to_owned(), finished.clone());
        Ok(finished)
    }

    fn finish_now(&self, path: &str, path_to: &[&str]) -> Result<Finished> {
        let bytes = self.files.get(path).context("there is no such file")?;
        let (mut body, mut modules) = (bytes.clone(), Vec::new());
        if let Ok(text) = std::str::from_utf8(bytes) {
            let kind = extension(path);
            let mut renamed = match kind {
                "js" | "css" => self.renamed(path, &shortened(text, kind == "js")?, path_to)?,
                _ => self.renamed(path, text, path_to)?,
            };
            if kind == "html" {
                renamed.text = with_modules(&renamed.text, &renamed.modules);
            }
            (body, modules) = (renamed.text.into_bytes(), renamed.modules);
        }
        Ok(Finished { address: with_hash(path, &body), body, modules })
    }

    /// A script whose references are those that are served, with its comments.
    fn as_written(&self, path: &str) -> Result<Vec<u8>> {
        let text = std::str::from_utf8(&self.files[path]).with_context(|| format!("{path} is no text"))?;
        Ok(self.renamed(path, text, &[path])?.text.into_bytes())
    }

    /// A text with the names that are served in place of its references.
    fn renamed(&self, path: &str, text: &str, path_to: &[&str]) -> Result<Renamed> {
        let is_page = extension(path) == "html";
        let (mut names, mut modules) = (Vec::new(), Vec::new());
        for Reference { at, path: named, is_entry } in references::find(path, text)? {
            let address = if let Some((address, _)) = stable(&named).filter(|_| !has_hash(&named)) {
                // Its name does not depend on what is in it, so circles of pages do no harm.
                self.files.get(&named).with_context(|| format!("{named}: there is no such file"))?;
                address
            } else {
                let finished = self.finish(&named, path_to)?;
                if is_entry || !is_page && extension(&named) == "js" {
                    let own = (!is_page).then(|| finished.address.clone());
                    modules.extend(own.into_iter().chain(finished.modules));
                }
                finished.address
            };
            names.push((at, address));
        }
        let mut known = BTreeSet::new();
        modules.retain(|module| known.insert(module.clone()));
        Ok(Renamed { text: references::replace(text, &names), modules })
    }
}

/// A text as it is served, and the scripts that it leads to.
struct Renamed {
    text: String,
    modules: Vec<String>,
}

/// A page that tells the browser of the scripts that its own script will import: they are fetched at once and not one after the
/// other.
fn with_modules(page: &str, modules: &[String]) -> String {
    let links = modules.iter().map(|module| format!("<link rel=\"modulepreload\" href=\"{module}\" />"));
    let links = links.collect::<Vec<_>>().join("\n    ");
    let end_of_head = if links.is_empty() { "</head>".to_owned() } else { format!("  {links}\n  </head>") };
    page.replacen("</head>", &end_of_head, 1)
}

fn with_hash(path: &str, body: &[u8]) -> String {
    let (name, kind) = path.rsplit_once('.').unwrap_or((path, ""));
    format!("/assets/{name}-{}.{kind}", hash(body, DIGITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(files: &[(&str, &str)]) -> Files {
        files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
    }

    fn text(served: &BTreeMap<String, Served>, path: &str) -> String {
        let (_, found) = served.iter().find(|(known, _)| known.starts_with(path)).unwrap();
        String::from_utf8(found.body.clone()).unwrap()
    }

    #[test]
    fn a_name_is_the_hash_of_what_is_served() {
        let served = serve(&client(&[
            ("index.html", "<head></head><script type=\"module\" src=\"app/main.js\"></script>"),
            ("app/main.js", "import \"./leaf.js\";"),
            ("app/leaf.js", "// One.\n1;"),
        ]))
        .unwrap();

        for (path, file) in served.iter().filter(|(_, file)| file.caching == Caching::Forever) {
            assert!(path.ends_with(&format!("-{}.js", hash(&file.body, 8))), "{path}");
        }
        let leaf = format!("/assets/app/leaf-{}.js", hash(b"1;\n", 8));
        assert_eq!(text(&served, "/assets/app/main-"), format!("import \"{leaf}\";\n"));
    }

    #[test]
    fn a_change_in_a_leaf_changes_every_name_above_it() {
        let names = |leaf: &str| -> Vec<String> {
            let files = [
                ("a.js", "import \"./b.js\";"),
                ("b.js", "import \"./c.js\";"),
                ("c.js", leaf),
                ("d.js", "4;"),
            ];
            serve(&client(&files)).unwrap().into_keys().collect()
        };

        let (before, after) = (names("1;"), names("2;"));

        assert_eq!(
            before.iter().zip(&after).map(|(one, other)| one == other).collect::<Vec<_>>(),
            [false, false, false, true]
        );
    }

    #[test]
    fn a_page_tells_of_every_module_that_its_script_reaches_once() {
        let files = client(&[
            ("index.html", "<head><title>T</title></head><script type=\"module\" src=\"a.js\"></script>"),
            ("a.js", "import \"./b.js\";\nimport \"./c.js\";"),
            ("b.js", "import \"./c.js\";"),
            ("c.js", ""),
            ("unused.js", ""),
        ]);

        let page = text(&serve(&files).unwrap(), "/");

        assert_eq!(page.matches("modulepreload").count(), 2, "{page}");
        let at = |what| page.find(what).unwrap();
        assert!(at("<title>") < at("/assets/b-"), "{page}");
        assert!(at("/assets/b-") < at("/assets/c-") && at("/assets/c-") < at("</head>"), "{page}");
    }

    #[test]
    fn what_is_known_by_name_keeps_it() {
        let served = serve(&client(&[
            ("index.html", "<link rel=\"manifest\" href=\"m.webmanifest\"><a href=\"admin.html\"></a>"),
            ("admin.html", "<a href=\"index.html\"></a>"),
            ("m.webmanifest", "{ \"icons\": [{ \"src\": \"icon.svg\" }] }"),
            ("icon.svg", "<svg/>"),
            ("client.js", "// One.\n1;"),
            ("service-worker.js", "2;"),
        ]))
        .unwrap();

        let (icon, client) = (hash(b"<svg/>", 8), hash(b"1;\n", 8));
        let (icon, client) = (format!("/assets/icon-{icon}.svg"), format!("/assets/client-{client}.js"));
        let mut paths = [
            "/",
            "/admin",
            "/client.js",
            "/favicon.ico",
            "/m.webmanifest",
            "/service-worker.js",
            &*icon,
            &*client,
        ];
        paths.sort_unstable();
        assert!(served.keys().eq(paths));
        assert_eq!(text(&served, "/client.js"), "// One.\n1;", "people read it");
        assert_eq!(text(&served, "/admin"), "<a href=\"/\"></a>");
        assert!(text(&served, "/m.webmanifest").contains(&icon));
        assert!(text(&served, "/").contains("\"/m.webmanifest\""));
    }

    #[test]
    fn a_circle_and_a_missing_file_are_named() {
        let circle = serve(&client(&[("a.js", "import \"./b.js\";"), ("b.js", "import \"./a.js\";")]));
        let missing = serve(&client(&[("a.js", "import \"./b.js\";")]));
        let unknown = serve(&client(&[("notes.md", "")]));

        assert!(format!("{:#}", circle.unwrap_err()).contains("a.js → b.js → a.js"));
        assert!(format!("{:#}", missing.unwrap_err()).contains("a.js: b.js: there is no such file"));
        assert!(format!("{:#}", unknown.unwrap_err()).contains("notes.md"));
    }
}
