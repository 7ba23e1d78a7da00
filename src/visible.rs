//! Characters that make a line look like another one: they are not seen, turn its direction or end it. Names of
//! owners and callers may hold them; lines that people read show them as what they are.

use std::fmt::Write as _;

/// Whether a character misleads who looks at it: controls, and what Unicode has for formatting.
pub(crate) fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{AD}'
                | '\u{61C}'
                | '\u{180E}'
                | '\u{200B}'..='\u{200F}'
                | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}'
                | '\u{FEFF}'
                | '\u{FFF9}'..='\u{FFFB}'
                | '\u{E0000}'..='\u{E007F}'
        )
}

/// JSON that says the same, with such characters escaped.
pub(crate) fn escaped(json: String) -> String {
    if json.is_ascii() {
        return json;
    }
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if c.is_ascii() || !misleads(c) {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Into a string: it cannot fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_the_same_and_shows_it() {
        let names = "ada\u{202E}nimda \u{200B}\u{2028}\u{E0041} é 木 😀 \u{9B}\n\t\"\\";
        let json = serde_json::to_string(&names).unwrap();
        let shown = escaped(json);
        assert!(!shown.contains(misleads), "{shown}");
        assert!(shown.contains(r"ada\u202enimda \u200b\u2028\udb40\udc41 é 木 😀 \u009b\n\t"));
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), names);
    }
}
