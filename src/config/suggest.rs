//! Which known key was probably meant.

use super::family::Family;
use super::settings::{LIMITS, SECTIONS, SERVICE};

/// Below this the nearest key is a guess, not a suggestion.
const NEAR: f64 = 0.6;

/// The known setting or section that is nearest to this path, if one is near.
pub(super) fn nearest(path: &[&str]) -> Option<String> {
    let written = path.join(".");
    let last = path.last()?;
    candidates(path)
        .into_iter()
        // Of equals `max_by` takes the last; the first one is the more important setting.
        .rev()
        .map(|candidate| {
            let own_last = candidate.rsplit('.').next().unwrap_or(&candidate);
            let whole = strsim::normalized_damerau_levenshtein(&written, &candidate);
            // The right name in the wrong section is worth less than one letter off.
            let name = 0.9 * strsim::normalized_damerau_levenshtein(last, own_last);
            (whole.max(name), candidate)
        })
        .filter(|(score, _)| *score >= NEAR)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, candidate)| candidate)
}

fn candidates(path: &[&str]) -> Vec<String> {
    let mut known: Vec<String> = SERVICE
        .iter()
        .map(|setting| setting.key.to_owned())
        .collect();
    known.extend(SECTIONS.iter().map(|section| section.name.to_owned()));
    known.push("defaults".to_owned());
    known.extend(LIMITS.iter().map(|limit| format!("defaults.{}", limit.key)));
    for family in Family::ALL {
        let prefix = family.path();
        known.push(prefix.join("."));
        // Of the sections with a name of their own, the one that may be meant.
        if path.len() == prefix.len() + 2 {
            let section = [prefix, &path[prefix.len()..=prefix.len()]]
                .concat()
                .join(".");
            known.extend(family.keys().iter().map(|key| format!("{section}.{key}")));
        }
    }
    known
}
