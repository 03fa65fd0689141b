//! Leaves out what only readers of the source need: comments that stand on lines of their own, indentation, empty lines. That
//! is a quarter of what goes over the network.
//!
//! No parser: what a line begins with decides, and whether it begins within a template literal, of which nothing is left out.
//! A file in which that gets lost, because a regular expression has a quote or a brace of its own, does not end where code
//! does, and is refused.

use anyhow::{Result, ensure};

/// What is open where a line begins, from the outermost to the innermost.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Template,
    /// A value in a template, and how many braces are open in it.
    Value(usize),
}

/// A script or, without comments to the end of the line, a style.
pub(crate) fn shortened(text: &str, is_script: bool) -> Result<String> {
    let (mut short, mut open, mut in_comment) = (String::with_capacity(text.len()), Vec::new(), false);
    for line in text.lines() {
        let in_template = open.last() == Some(&Open::Template);
        let mut rest = if in_template { line } else { line.trim() };
        while in_comment || !in_template && rest.starts_with("/*") {
            in_comment = !rest.contains("*/");
            rest = rest.split_once("*/").map_or("", |(_, after)| after.trim_start());
            if in_comment {
                break;
            }
        }
        if !in_template && is_script && rest.starts_with("//") {
            rest = "";
        }
        if in_template || !rest.is_empty() {
            short.push_str(rest);
            short.push('\n');
        }
        if is_script {
            follow(rest, &mut open);
        }
    }
    ensure!(open.is_empty() && !in_comment, "where its template literals and comments end cannot be told");
    Ok(short)
}

/// Follows a line of code to what is open at its end.
fn follow(line: &str, open: &mut Vec<Open>) {
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match (open.last_mut(), letter) {
            (_, '\\') => _ = letters.next(),
            (Some(Open::Template), '`') | (Some(Open::Value(0)), '}') => _ = open.pop(),
            (Some(Open::Template), '$') if letters.peek() == Some(&'{') => {
                letters.next();
                open.push(Open::Value(0));
            }
            (Some(Open::Template), _) => {}
            (_, '/') if letters.peek() == Some(&'/') => return,
            (_, '`') => open.push(Open::Template),
            (_, '"' | '\'') => pass_over(&mut letters, letter),
            (Some(Open::Value(braces)), '{') => *braces += 1,
            (Some(Open::Value(braces)), '}') => *braces -= 1,
            _ => {}
        }
    }
}

/// To the end of a text in quotes.
fn pass_over(letters: &mut impl Iterator<Item = char>, quote: char) {
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => _ = letters.next(),
            letter if letter == quote => return,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_on_lines_of_their_own_indentation_and_empty_lines_are_left_out() {
        let script = "\
/** What it is
 * for. */
// And more.
import { h } from \"./dom.js\"; // not this

/* one */ /* two */ export function f() {
  /*
   * three
   */
    return \"// text\" + '/*';
}
";

        let short = "import { h } from \"./dom.js\"; // not this\nexport function f() {\nreturn \"// text\" + '/*';\n}\n";
        assert_eq!(shortened(script, true).unwrap(), short);
    }

    #[test]
    fn nothing_is_left_out_of_a_template_literal() {
        let script = "const text = `a\n\n  // b ${c} \\`\n  /* d */\n`;\n  // e\n  f(\"`\");\n  // g\n";

        let short = "const text = `a\n\n  // b ${c} \\`\n  /* d */\n`;\nf(\"`\");\n";
        assert_eq!(shortened(script, true).unwrap(), short);
    }

    #[test]
    fn templates_in_values_of_templates_are_followed() {
        let script = "const quoted = (text) => `'${text.replaceAll(\"'\", `'\\\\''`)}'`; // it's `one\n  // a\n  g(`b\n  // c\n`);\n";

        let short = "const quoted = (text) => `'${text.replaceAll(\"'\", `'\\\\''`)}'`; // it's `one\ng(`b\n  // c\n`);\n";
        assert_eq!(shortened(script, true).unwrap(), short);
    }

    #[test]
    fn a_script_that_cannot_be_followed_is_refused() {
        assert!(shortened("const tick = /`/;\n  // a\n", true).is_err());
        assert!(shortened("/* a\n", false).is_err());
    }

    #[test]
    fn styles_have_one_kind_of_comment() {
        assert_eq!(shortened("/* a */\n.b {\n  //c: d;\n}\n", false).unwrap(), ".b {\n//c: d;\n}\n");
    }
}
