//! Whether telemetry could be sent as it is set up.

use http::Uri;

use super::Checking;
use crate::config::settings::{Draft, SERVICE};

impl Checking<'_> {
    pub(super) fn telemetry(&mut self, draft: &Draft) {
        let telemetry = &draft.config.telemetry;
        let Some(endpoint) = &telemetry.endpoint else {
            return self.telemetry_to_nowhere(draft);
        };
        let scheme = match endpoint.parse::<Uri>() {
            Ok(uri) if uri.authority().is_some() && matches!(uri.path(), "" | "/") => {
                uri.scheme_str().map(ToOwned::to_owned)
            }
            _ => None,
        };
        let secure = match scheme.as_deref() {
            Some("http") => false,
            Some("https") => true,
            _ => {
                return self.service(
                    "telemetry.otlp_endpoint",
                    format!("{endpoint:?} is not the address of a collector"),
                    "write http://HOST:4317 or https://HOST:4317, without a path: it is spoken to by gRPC",
                );
            }
        };
        let files = [
            ("telemetry.otlp_headers_file", &telemetry.headers_file),
            ("telemetry.otlp_tls_ca", &telemetry.tls_ca),
            ("telemetry.otlp_tls_cert", &telemetry.tls_cert),
            ("telemetry.otlp_tls_key", &telemetry.tls_key),
        ];
        for (key, path) in files {
            let Some(path) = path else { continue };
            self.file(key, path);
            if !secure && key != "telemetry.otlp_headers_file" {
                self.service(
                    key,
                    "is for TLS, but telemetry.otlp_endpoint begins with http://",
                    "write https://, or remove it",
                );
            }
        }
        let half = "is missing: half a client certificate proves nothing";
        match (&telemetry.tls_cert, &telemetry.tls_key) {
            (Some(_), None) => self.service(
                "telemetry.otlp_tls_key",
                half,
                "set it, or remove telemetry.otlp_tls_cert",
            ),
            (None, Some(_)) => self.service(
                "telemetry.otlp_tls_cert",
                half,
                "set it, or remove telemetry.otlp_tls_key",
            ),
            _ => {}
        }
        if telemetry.headers.is_some() && telemetry.headers_file.is_some() {
            self.service(
                "telemetry.otlp_headers_file",
                "is set, and telemetry.otlp_headers too",
                "keep one of them",
            );
        }
        if let Err(wrong) = telemetry.headers() {
            let key = if telemetry.headers.is_some() {
                "telemetry.otlp_headers"
            } else {
                "telemetry.otlp_headers_file"
            };
            self.service(
                key,
                wrong,
                "write NAME=VALUE, and commas or line breaks between them",
            );
        }
        if !(telemetry.traces || telemetry.metrics || telemetry.logs) {
            self.service(
                "telemetry.otlp_endpoint",
                "is set, but neither traces, metrics nor logs are to be sent",
                "switch one of them on, or remove it",
            );
        }
    }

    /// Settings for a collector that is not named.
    fn telemetry_to_nowhere(&mut self, draft: &Draft) {
        let default = Draft::default();
        for setting in SERVICE {
            let is_set = || (setting.show)(draft) != (setting.show)(&default);
            if setting.key.starts_with("telemetry.") && is_set() {
                self.service(
                    setting.key,
                    "is set, but there is no collector to send anything to",
                    "set telemetry.otlp_endpoint, or remove it",
                );
            }
        }
    }
}
