//! Where a file names others: imports of scripts, `src` and `href` of pages, `url(…)` of styles, images of the manifest.
//!
//! Only what is written as everywhere here is found: no parser of four languages stands in a build script. An import that is
//! written otherwise is an error; what a script or a page loads in other ways is not looked for, and the stories that follow
//! every reference would miss the file.

use std::ops::Range;

use anyhow::{Result, bail, ensure};

use crate::extension;

/// A file that is named in another.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// Where the name stands.
    pub(crate) at: Range<usize>,
    /// The path named, below the client's folder.
    pub(crate) path: String,
    /// Whether it is a script that a page starts with.
    pub(crate) is_entry: bool,
}

/// All references of a file to others of the client, in their order. What leads elsewhere is not among them.
pub(crate) fn find(path: &str, text: &str) -> Result<Vec<Reference>> {
    let found = match extension(path) {
        "html" => of_page(text),
        "js" => of_script(text)?,
        "css" => of_style(text)?,
        "webmanifest" => quoted_after(text, &["\"src\":"]),
        _ => Vec::new(),
    };
    let (folder, _) = path.rsplit_once('/').unwrap_or_default();
    let within = found.into_iter().filter(|at| is_relative(&text[at.clone()])).map(|at| {
        let named = below(folder, &text[at.clone()])?;
        let is_source = extension(path) == "html" && text[..at.start].ends_with("src=\"");
        let is_entry = is_source && extension(&named) == "js";
        Ok(Reference { at, path: named, is_entry })
    });
    within.collect()
}

/// The text with other names in place of its references.
pub(crate) fn replace(text: &str, names: &[(Range<usize>, String)]) -> String {
    let (mut replaced, mut from) = (String::with_capacity(text.len()), 0);
    for (at, name) in names {
        replaced.push_str(&text[from..at.start]);
        replaced.push_str(name);
        from = at.end;
    }
    replaced + &text[from..]
}

/// Neither a path from the root, nor a place in the same page, nor an address.
fn is_relative(name: &str) -> bool {
    !name.is_empty() && !name.starts_with(['/', '#', '?']) && !name.contains(':')
}

/// The path that a name means in a folder.
fn below(folder: &str, name: &str) -> Result<String> {
    let mut parts: Vec<_> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in name.split('/') {
        match part {
            "." => {}
            ".." => ensure!(parts.pop().is_some(), "{name} leads out of the client's folder"),
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

fn of_page(text: &str) -> Vec<Range<usize>> {
    quoted_after(text, &[" src=", " href="])
}

/// The texts in quotes that follow one of these words.
fn quoted_after(text: &str, words: &[&str]) -> Vec<Range<usize>> {
    let ends = |word| text.match_indices(word).map(|(at, word): (usize, &str)| at + word.len());
    let mut found: Vec<_> =
        words.iter().flat_map(|word| ends(*word)).filter_map(|end| quoted(text, end)).collect();
    found.sort_by_key(|at| at.start);
    found
}

/// What stands in quotes right here, but for spaces.
fn quoted(text: &str, from: usize) -> Option<Range<usize>> {
    let rest = text[from..].trim_start();
    let start = text.len() - rest.len() + 1;
    let quote = rest.chars().next().filter(|first| ['"', '\''].contains(first))?;
    let length = text[start..].find(quote)?;
    Some(start..start + length)
}

/// Imports and exports from elsewhere: statements that begin a line without a space before them.
fn of_script(text: &str) -> Result<Vec<Range<usize>>> {
    let mut found = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let statement = &text[at..];
        let bound = if line.starts_with("import ") { Some(statement) } else { of_export(statement) };
        if let Some(statement) = bound {
            let end = statement.find(';').unwrap_or(statement.len());
            found.extend(last_quoted(&statement[..end]).map(|range| at + range.start..at + range.end));
        }
        at += line.len();
    }
    for (line, at) in text.split_inclusive('\n').scan(0, |at, line| {
        *at += line.len();
        Some((line, *at - line.len()))
    }) {
        let is_comment = line.trim_start().starts_with(['*', '/']);
        for marker in ["import(", "from \"./", "from \"../", "from './", "from '../"] {
            let Some(position) = line.find(marker).filter(|_| !is_comment) else { continue };
            let within = |range: &Range<usize>| {
                range.start <= at + position + marker.len() && at + position <= range.end
            };
            if !found.iter().any(within) {
                bail!("an import must be a statement at the beginning of a line: {}", line.trim());
            }
        }
    }
    Ok(found)
}

/// The statement, if it exports what another module has.
fn of_export(statement: &str) -> Option<&str> {
    let what = statement.strip_prefix("export ")?;
    let end = statement.find(';')?;
    (what.starts_with(['{', '*']) && statement[..end].contains(" from ")).then_some(statement)
}

fn last_quoted(statement: &str) -> Option<Range<usize>> {
    let statement = statement.trim_end();
    let quote = statement.chars().last().filter(|last| ['"', '\''].contains(last))?;
    let end = statement.len() - 1;
    let start = statement[..end].rfind(quote)? + 1;
    Some(start..end)
}

fn of_style(text: &str) -> Result<Vec<Range<usize>>> {
    ensure!(
        !text.contains("@import"),
        "a style is linked from the page: an @import is found only once it is read"
    );
    let named = text.match_indices("url(").map(|(at, word)| {
        let start = at + word.len();
        quoted(text, start).or_else(|| Some(start..start + text[start..].find(')')?))
    });
    Ok(named.flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        find(path, text).unwrap().into_iter().map(|reference| reference.path).collect()
    }

    #[test]
    fn imports_are_found_however_they_are_broken_into_lines() {
        let text = "\
import { h } from \"./dom.js\";
import * as ui from './ui.js';
import \"../start.js\";
import {
  a,
  b,
} from \"./deep/er.js\";
export { ApiError } from \"./errors.js\";
export * from \"./more.js\";
export const from = \"./nowhere.js\";
import { elsewhere } from \"/client.js\";
/** @param {import(\"./room.js\").Room} room */
";

        let all = ["app/dom.js", "app/ui.js", "start.js", "app/deep/er.js", "app/errors.js", "app/more.js"];
        assert_eq!(found("app/main.js", text), all);
    }

    #[test]
    fn an_import_that_would_be_overlooked_is_refused() {
        for text in ["  import { h } from \"./dom.js\";\n", "const h = await import(\"./dom.js\");\n"] {
            assert!(find("main.js", text).is_err(), "{text}");
        }
        assert!(find("main.js", "import \"../elsewhere.js\";").is_err(), "it leads out of the folder");
    }

    #[test]
    fn a_page_names_what_is_relative_and_starts_with_its_scripts() {
        let page = "<link href=\"a.css\"><script type=\"module\" src=\"app/main.js\"></script><a href=\"#top\" \
                    class=\"x\"></a><a href=\"/docs\"></a><a href=\"mailto:a@example.com\"></a><img src='i.svg'>";

        let found = find("index.html", page).unwrap();

        let named: Vec<_> = found.iter().map(|one| (one.path.as_str(), one.is_entry)).collect();
        assert_eq!(named, [("a.css", false), ("app/main.js", true), ("i.svg", false)]);
    }

    #[test]
    fn styles_and_the_manifest_name_images() {
        assert_eq!(
            found("styles/a.css", "a { b: url(../i.svg) url(\"j.png\") url(data:x) }"),
            ["i.svg", "styles/j.png"]
        );
        assert_eq!(found("m.webmanifest", "{ \"icons\": [{ \"src\": \"icon.svg\" }] }"), ["icon.svg"]);
        assert!(find("a.css", "@import \"b.css\";").is_err());
    }

    #[test]
    fn names_are_replaced_where_they_stand() {
        let text = "import \"./a.js\";\nimport \"./b.js\";\n";
        let names: Vec<_> =
            find("m.js", text).unwrap().into_iter().map(|one| (one.at, format!("/{}", one.path))).collect();

        assert_eq!(replace(text, &names), "import \"/a.js\";\nimport \"/b.js\";\n");
    }
}
