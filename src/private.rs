//! Who may use a file that holds secrets.

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

/// The mode of a file that others may use than those it is for.
///
/// It is for its owner alone. One that belongs to root, read by a process of somebody else, may be read by its group,
/// too: so Kubernetes hands a secret to a process that is not root.
pub(crate) fn exposed(metadata: &Metadata) -> Option<u32> {
    let mode = metadata.permissions().mode() & 0o777;
    is_exposed(mode, metadata.uid(), own_user()).then_some(mode)
}

fn is_exposed(mode: u32, owner: u32, reader: u32) -> bool {
    let handed_over = owner == ROOT && reader != ROOT;
    let allowed = if handed_over { 0o740 } else { 0o700 };
    mode & !allowed != 0
}

const ROOT: u32 = 0;

/// Where that cannot be told, the stricter rule is right.
fn own_user() -> u32 {
    fs::metadata("/proc/self").map_or(ROOT, |own| own.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_for_its_owner_and_may_be_handed_over_by_root() {
        for (mode, owner, reader, expected) in [
            (0o600, 7, 7, false),
            (0o400, 0, 0, false),
            (0o440, 0, 7, false),
            (0o640, 0, 7, false),
            (0o640, 7, 7, true),
            (0o440, 0, 0, true),
            (0o440, 8, 7, true),
            (0o660, 0, 7, true),
            (0o444, 0, 7, true),
            (0o604, 7, 7, true),
        ] {
            let told = is_exposed(mode, owner, reader);
            assert_eq!(told, expected, "{mode:o} of {owner}, read by {reader}");
        }
    }
}
