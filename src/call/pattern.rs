//! Patterns of the policy: for callers, namespaces and tenants.

use std::fmt;

/// A text with `*` for what may vary.
///
/// In a caller's name `*` stays within one part, so that `spiffe://prod/ns/*/sa/crm` does not also match
/// `spiffe://prod/ns/a/sa/b/sa/crm`; `**` crosses parts. Namespaces and tenants have no parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: Box<str>,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Box<str>),
    /// Any run of characters but `/` and `:`.
    WithinPart,
    /// Any run of characters.
    Anything,
}

impl Pattern {
    /// A pattern for callers' names.
    pub fn of_callers(text: &str) -> Pattern {
        Pattern::new(text, &Piece::WithinPart)
    }

    /// A pattern for names without parts.
    pub fn of_names(text: &str) -> Pattern {
        Pattern::new(text, &Piece::Anything)
    }

    fn new(text: &str, star: &Piece) -> Pattern {
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let literal = rest.find('*').unwrap_or(rest.len());
            let (before, after) = rest.split_at(literal);
            if !before.is_empty() {
                pieces.push(Piece::Literal(before.into()));
            }
            let stars = after.len() - after.trim_start_matches('*').len();
            match stars {
                0 => {}
                1 => pieces.push(star.clone()),
                _ => pieces.push(Piece::Anything),
            }
            rest = &after[stars..];
        }
        Pattern {
            text: text.into(),
            pieces,
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it matches every text.
    pub fn is_everything(&self) -> bool {
        self.pieces == [Piece::Anything]
    }

    /// The text, if nothing in it varies.
    pub fn literal(&self) -> Option<&str> {
        let varies = |piece: &Piece| !matches!(piece, Piece::Literal(_));
        (!self.pieces.iter().any(varies)).then_some(&*self.text)
    }

    /// Whether it matches the whole text.
    pub fn matches(&self, text: &str) -> bool {
        matches(&self.pieces, text)
    }
}

/// Its depth is the number of wildcards, and patterns come from the operator alone.
fn matches(pieces: &[Piece], text: &str) -> bool {
    let Some((first, rest)) = pieces.split_first() else {
        return text.is_empty();
    };
    let within = match first {
        Piece::Literal(literal) => {
            return text
                .strip_prefix(&**literal)
                .is_some_and(|text| matches(rest, text));
        }
        Piece::Anything => text.len(),
        Piece::WithinPart => text.find(['/', ':']).unwrap_or(text.len()),
    };
    if rest.is_empty() {
        return within == text.len();
    }
    let mut ends = text[..within].char_indices().map(|(at, _)| at);
    ends.any(|at| matches(rest, &text[at..])) || matches(rest, &text[within..])
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_in_a_callers_name_stays_within_its_part() {
        for (pattern, name, expected) in [
            ("apikey:crm", "apikey:crm", true),
            ("apikey:crm", "apikey:crm2", false),
            ("apikey:crm", "xapikey:crm", false),
            ("apikey:*", "apikey:crm", true),
            ("apikey:*", "apikey:", true),
            ("apikey:crm-*", "apikey:crm", false),
            ("*", "apikey:crm", false),
            ("**", "apikey:crm", true),
            (
                "spiffe://prod/ns/*/sa/crm",
                "spiffe://prod/ns/a/sa/crm",
                true,
            ),
            (
                "spiffe://prod/ns/*/sa/crm",
                "spiffe://prod/ns/a/sa/b/sa/crm",
                false,
            ),
            ("spiffe://prod/*", "spiffe://prod/ns/a", false),
            ("spiffe://prod/**", "spiffe://prod/ns/a", true),
            ("spiffe://prod/**", "spiffe://product/ns", false),
            ("spiffe://**/sa/crm", "spiffe://a/b/sa/crm", true),
            (
                "jwt:k8s:system:serviceaccount:*:crm",
                "jwt:k8s:system:serviceaccount:mcp:crm",
                true,
            ),
            (
                "jwt:k8s:system:serviceaccount:*:crm",
                "jwt:k8s:system:serviceaccount:a:b:crm",
                false,
            ),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXcYb", false),
            ("é*", "éa", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(
                Pattern::of_callers(pattern).matches(name),
                expected,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn a_star_among_names_is_anything() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*", "https://acme.example/", true),
            ("acme*", "acme:eu/1", true),
            ("*-eu", "acme-eu", true),
            ("*-eu", "acme-eu2", false),
            ("acme", "Acme", false),
        ] {
            assert_eq!(
                Pattern::of_names(pattern).matches(name),
                expected,
                "{pattern} {name}"
            );
        }
        assert!(Pattern::of_names("*").is_everything());
        assert!(!Pattern::of_callers("*").is_everything());
        assert!(Pattern::of_callers("**").is_everything());
        assert_eq!(Pattern::of_names("acme").literal(), Some("acme"));
        assert_eq!(Pattern::of_names("acme*").literal(), None);
    }
}
