//! Leaves out what only readers of the source need: comments that stand on lines of their own, indentation, empty lines. That
//! is a quarter of what goes over the network.
//!
//! No parser: what a line begins with decides, and whether it begins within a template literal, of which nothing is left out.

/// Where a line begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Code,
    Comment,
    Template,
}

/// A script or, without comments to the end of the line, a style.
pub(crate) fn shortened(text: &str, is_script: bool) -> String {
    let (mut short, mut within) = (String::with_capacity(text.len()), Within::Code);
    for line in text.lines() {
        let mut rest = if within == Within::Template { line } else { line.trim() };
        while within == Within::Comment || within == Within::Code && rest.starts_with("/*") {
            let Some((_, after)) = rest.split_once("*/") else {
                (within, rest) = (Within::Comment, "");
                break;
            };
            (within, rest) = (Within::Code, after.trim_start());
        }
        if within == Within::Code && is_script && rest.starts_with("//") {
            rest = "";
        }
        if within == Within::Template || !rest.is_empty() {
            short.push_str(rest);
            short.push('\n');
        }
        if is_script && within != Within::Comment {
            within = after(rest, within);
        }
    }
    short
}

/// Whether a line of code ends within a template literal. A quote, too, may hold what begins one.
fn after(line: &str, within: Within) -> Within {
    let mut quote = (within == Within::Template).then_some('`');
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (_, '\\') => _ = letters.next(),
            (Some(open), _) if open == letter => quote = None,
            (None, '"' | '\'' | '`') => quote = Some(letter),
            _ => {}
        }
    }
    if quote == Some('`') { Within::Template } else { Within::Code }
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
        assert_eq!(shortened(script, true), short);
    }

    #[test]
    fn nothing_is_left_out_of_a_template_literal() {
        let script = "const text = `a\n\n  // b ${c} \\`\n  /* d */\n`;\n  // e\n  f(\"`\");\n  // g\n";

        let short = "const text = `a\n\n  // b ${c} \\`\n  /* d */\n`;\nf(\"`\");\n";
        assert_eq!(shortened(script, true), short);
    }

    #[test]
    fn styles_have_one_kind_of_comment() {
        assert_eq!(shortened("/* a */\n.b {\n  //c: d;\n}\n", false), ".b {\n//c: d;\n}\n");
    }
}
