//! What a URL may show of itself.

/// The URL with its password, and the values of its query, hidden.
pub(super) fn redacted(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    // A password may hold any of `/`, `?`, `#` and `:` by mistake, so the last `@` ends it.
    let (user, host) = match rest.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, rest),
    };
    let mut shown = format!("{scheme}://");
    if let Some(user) = user {
        match user.split_once(':') {
            Some((name, _)) => {
                shown.push_str(name);
                shown.push_str(":***@");
            }
            None => shown.push_str("***@"),
        }
    }
    let (host, query) = match host.split_once('?') {
        Some((host, query)) => (host, Some(query)),
        None => (host, None),
    };
    shown.push_str(host);
    if let Some(query) = query {
        let hidden: Vec<String> = query
            .split('&')
            .map(|pair| {
                pair.split_once('=')
                    .map_or("***".to_owned(), |(name, _)| format!("{name}=***"))
            })
            .collect();
        shown.push('?');
        shown.push_str(&hidden.join("&"));
    }
    shown
}
