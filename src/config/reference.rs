//! `docs/SETTINGS.md`, from the declarations.

use std::fmt::Write as _;

use super::callers::{ApiKey, Rule, TokenIssuer};
use super::settings::{
    API_KEY, Draft, LIMITS, RULE, SECTIONS, SERVICE, Setting, TOKEN_ISSUER, variable,
};
use super::show::section_of;
use crate::session::limits::Limits;

const HEAD: &str = "\
# Settings

Generated from the code; `UPDATE_DOCS=1 cargo test` writes it anew. `tenure config check` reports every fault
of a configuration at once, `tenure config show` prints the effective one with the origin of each value.

**Sources.** Built-in default < TOML file (`--config FILE`, or the variable `TENURE_CONFIG`) < environment < flags.

- A setting's variable is `TENURE_` and its path in capitals, with `__` between the levels. Names without `__`
  (`TENURE_PORT` and what else Kubernetes injects) are never settings.
- Any setting can be given as `--set KEY=VALUE`; the usual ones have flags of their own: `--listen` (`grpc.listen`),
  `--http` (`http.listen`), `--store` (`store.url`), `--insecure` (`grpc.insecure`).
- An unknown setting is an error, and so is an empty value: leave out what is not meant.

**Values.** A duration is written with its unit: `\"500ms\"`, `\"15m\"`, `\"12h\"`, `\"1h30m\"`, `\"7d\"`. A size is a number of
bytes, or a text with `KiB`, `MiB` or `GiB`. A list is a TOML list of texts; in a variable or a flag it may also be
written with commas between the texts. Paths are relative to the working directory. Where `none` is allowed it is
written as text: `\"none\"`.
";

const LIMITS_HEAD: &str = "
## `[defaults]` and `[namespaces.NAME]`

What a namespace allows and assumes. A namespace takes from `[defaults]` what its own section does not say. In the variable's name
`NAME` is the namespace's name: `TENURE_NAMESPACES__CRM__IDLE_TTL`. A name with a dot is quoted in TOML: `[namespaces.\"a.b\"]`.
";

const ISSUER_HEAD: &str = "
## `[callers.jwt.NAME]` and `[callers.users.NAME]`

An issuer of tokens: of callers' own (`jwt`), or of the end users behind them (`users`, for a namespace's `owner_proof`). A caller
with a token is named `jwt:NAME:` and the token's `sub`. What stands as empty here has to be given. Issuers of users have variables
with `USERS` in place of `JWT`.
";

const API_KEY_HEAD: &str = "
## `[callers.apikey.NAME]`

A caller with API keys, named `apikey:NAME`. Either `hashes` or `hash_file` has to be given.
";

const RULE_HEAD: &str = "
## `[policy.NAME]`

A rule: who may do what, where, for whom. What no rule allows is denied. `tenure config check` says in words what the rules allow,
`tenure policy test` whether they allow one thing. What stands as empty here has to be given.
";

/// The text of `docs/SETTINGS.md`.
pub fn reference() -> String {
    let mut text = HEAD.to_owned();
    let draft = Draft::default();
    text.push_str("\n## Top level\n");
    let top = SERVICE
        .iter()
        .filter(|setting| section_of(setting.key).is_empty());
    table(&mut text, top, &draft, "");
    for section in SECTIONS {
        let _ = write!(text, "\n## `[{}]`\n\n{}\n", section.name, section.about);
        let own = SERVICE
            .iter()
            .filter(|setting| section_of(setting.key) == section.name);
        table(&mut text, own, &draft, "");
    }
    text.push_str(ISSUER_HEAD);
    table(
        &mut text,
        TOKEN_ISSUER.iter(),
        &TokenIssuer::default(),
        "callers.jwt.name.",
    );
    text.push_str(API_KEY_HEAD);
    table(
        &mut text,
        API_KEY.iter(),
        &ApiKey::default(),
        "callers.apikey.name.",
    );
    text.push_str(RULE_HEAD);
    table(&mut text, RULE.iter(), &Rule::default(), "policy.name.");
    text.push_str(LIMITS_HEAD);
    table(&mut text, LIMITS.iter(), &Limits::default(), "defaults.");
    text
}

fn table<'s, T: 'static>(
    text: &mut String,
    settings: impl Iterator<Item = &'s Setting<T>>,
    default: &T,
    prefix: &str,
) {
    text.push_str("\n| setting | variable | kind | default | what it does |\n| --- | --- | --- | --- | --- |\n");
    for setting in settings {
        let name = setting.key.rsplit('.').next().unwrap_or(setting.key);
        let _ = writeln!(
            text,
            "| `{name}` | `{}` | {} | `{}` | {} |",
            variable(&format!("{prefix}{}", setting.key)),
            (setting.kind)(),
            (setting.show)(default).trim_matches('"'),
            setting.about,
        );
    }
}
