//! Where the server is and how to be let in: the address, the password, TLS.
//!
//! What libpq's own programs do is done alike: the levels of `sslmode`, `PGPASSWORD`, `.pgpass`.

use crate::sink::sql::{Url, place_url};
use crate::sink::{Settings, SinkError};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

const EXAMPLE: &str = "postgres://USER@HOST/DATABASE";

/// How much of the server's certificate is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// Anything: the connection is only encrypted.
    Any,
    /// What the authority has signed.
    Signed,
    /// That, and the name in it is the host's.
    Named,
}

/// An address that was read, and nothing opened.
pub struct Address {
    config: Config,
    trust: Trust,
    ca: Option<PathBuf>,
    /// `HOST:PORT/DATABASE`.
    pub shown: String,
}

impl Address {
    /// Reads the keys of a destination.
    ///
    /// # Errors
    /// A sentence for people, without the address, which may hold a password.
    pub fn of(settings: &Settings) -> Result<Address, String> {
        let mut url = Url::parse(settings.text("url"), &["postgres", "postgresql"], EXAMPLE)?;
        let ca = settings.get("tls.ca").map(str::to_owned);
        let ca = ca.or_else(|| url.take("sslrootcert")).map(PathBuf::from);
        let default = if settings.has_group("tls") { "verify-full" } else { "prefer" };
        let mode = url.take("sslmode").unwrap_or_else(|| default.to_owned());
        let (mode, trust) = match mode.as_str() {
            "disable" if ca.is_some() || settings.has_group("tls") => {
                return Err(
                    "`sslmode=disable` and `tls` contradict each other: leave one out".into()
                );
            }
            "disable" => (SslMode::Disable, Trust::Any),
            "allow" | "prefer" => (SslMode::Prefer, Trust::Any),
            // As libpq does: an authority that is named is asked.
            "require" if ca.is_some() => (SslMode::Require, Trust::Signed),
            "require" => (SslMode::Require, Trust::Any),
            "verify-ca" => (SslMode::Require, Trust::Signed),
            "verify-full" => (SslMode::Require, Trust::Named),
            _ => {
                return Err(
                    "`sslmode` is none of disable, prefer, require, verify-ca, verify-full: \
                            write one of them"
                        .into(),
                );
            }
        };
        let mut config: Config = url.text().parse().map_err(|e: tokio_postgres::Error| {
            use std::error::Error;
            let why = e.source().map_or_else(|| e.to_string(), ToString::to_string);
            format!("`url` cannot be read ({why}): write {EXAMPLE}")
        })?;
        config.ssl_mode(mode);
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            config.host("localhost");
        }
        if config.get_application_name().is_none() {
            config.application_name(format!("doge {}", std::process::id()));
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(10));
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(Duration::from_secs(30));
        }
        config.keepalives_idle(Duration::from_secs(30));
        let ports = config.get_ports();
        let hosts: Vec<(String, u16)> = config
            .get_hosts()
            .iter()
            .map(|host| match host {
                Host::Tcp(name) => name.clone(),
                #[cfg(unix)]
                Host::Unix(path) => path.display().to_string(),
            })
            .chain(config.get_hostaddrs().iter().map(ToString::to_string))
            .enumerate()
            .map(|(i, host)| (host, ports.get(i).or(ports.first()).copied().unwrap_or(5432)))
            .collect();
        let user = config.get_user().map(str::to_owned);
        let database = config.get_dbname().map(str::to_owned).or(user).unwrap_or_default();
        let shown = place_url(&hosts, &database);
        if config.get_password().is_none() {
            let user = config.get_user().unwrap_or_default().to_owned();
            if let Some(password) = password(&hosts, &database, &user) {
                config.password(password);
            }
        }
        Ok(Address { config, trust, ca, shown })
    }

    /// The configuration of a connection and its TLS.
    ///
    /// # Errors
    /// The authority's file cannot be read.
    pub fn connector(&self) -> Result<(Config, MakeRustlsConnect), SinkError> {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        match &self.ca {
            Some(path) => authority(path, &mut roots)?,
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        }
        let tls = |e: &dyn std::fmt::Display| {
            SinkError::new(format!("TLS to {} cannot be set up: {e}", self.shown))
                .help("look at `tls.ca`: it must hold certificates of authorities in PEM")
        };
        let builder = WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone());
        let inner = builder.build().map_err(|e| tls(&e))?;
        let verifier = Verifier { trust: self.trust, inner, provider: provider.clone() };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| tls(&e))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok((self.config.clone(), MakeRustlsConnect::new(config)))
    }

    /// How this process calls itself.
    pub fn application(&self) -> &str {
        self.config.get_application_name().unwrap_or_default()
    }

    /// The user's name, as far as it is known before connecting.
    pub fn user(&self) -> &str {
        self.config.get_user().unwrap_or("of this process")
    }
}

/// Adds the certificates of a file.
fn authority(path: &Path, roots: &mut RootCertStore) -> Result<(), SinkError> {
    let bad = |why: String| {
        SinkError::new(format!("cannot read the certificates of {}: {why}", path.display()))
            .help("`tls.ca` names a file with the authority's certificate in PEM")
    };
    let text = std::fs::read(path).map_err(|e| bad(crate::sink::io_reason(&e)))?;
    let mut found = false;
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|e| bad(e.to_string()))?;
        roots.add(certificate).map_err(|e| bad(e.to_string()))?;
        found = true;
    }
    if found { Ok(()) } else { Err(bad("there is none in it".into())) }
}

/// Believes as much as it was told to.
#[derive(Debug)]
struct Verifier {
    trust: Trust,
    inner: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.trust == Trust::Any {
            return Ok(ServerCertVerified::assertion());
        }
        let verified = self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            // The name is looked at last: all else was in order.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.trust == Trust::Signed => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The password of the environment or of the password file.
fn password(hosts: &[(String, u16)], database: &str, user: &str) -> Option<String> {
    if let Ok(password) = std::env::var("PGPASSWORD")
        && !password.is_empty()
    {
        return Some(password);
    }
    let file = match std::env::var_os("PGPASSFILE") {
        Some(file) => PathBuf::from(file),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".pgpass"),
    };
    // As libpq does, a file that others may read is passed over.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let meta = std::fs::metadata(&file).ok()?;
        if !meta.is_file() || meta.permissions().mode() & 0o077 != 0 {
            return None;
        }
    }
    let text = std::fs::read_to_string(&file).ok()?;
    hosts.iter().find_map(|(host, port)| of_file(&text, [host, &port.to_string(), database, user]))
}

/// The password of the first line of a password file that fits: `HOST:PORT:DATABASE:USER:PASSWORD`, `*` for
/// any, `\` before a colon or backslash.
fn of_file(text: &str, wanted: [&str; 4]) -> Option<String> {
    let fits = |line: &str| {
        let (mut fields, mut field, mut chars) = (Vec::new(), String::new(), line.chars());
        while let Some(c) = chars.next() {
            match c {
                '\\' => field.extend(chars.next()),
                ':' if fields.len() < 4 => fields.push(std::mem::take(&mut field)),
                c => field.push(c),
            }
        }
        let all = fields.len() == 4 && fields.iter().zip(wanted).all(|(f, w)| f == "*" || f == w);
        all.then_some(field)
    };
    text.lines().filter(|l| !l.starts_with('#')).find_map(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_file_is_read_as_libpq_does() {
        let text = "# host:5432:db:u:no\nother:*:*:*:no\nh:5432:*:u:p\\:q:r\\\\\n*:*:*:*:any";
        assert_eq!(of_file(text, ["h", "5432", "db", "u"]).as_deref(), Some("p:q:r\\"));
        assert_eq!(of_file(text, ["h", "1", "db", "u"]).as_deref(), Some("any"));
        assert_eq!(of_file("a:b:c", ["a", "b", "c", "d"]), None);
    }

    fn read(url: &str, tls: &[(&str, &str)]) -> Result<Address, String> {
        let mut settings = Settings::default();
        settings.texts.insert("url".into(), url.into());
        for (k, v) in tls {
            settings.flags.insert("tls.".into(), true);
            settings.texts.insert((*k).into(), (*v).into());
        }
        Address::of(&settings)
    }

    #[test]
    fn addresses() {
        let good = read("postgres://u:secret@h:1/d?sslmode=verify-ca", &[]).unwrap();
        assert_eq!((good.shown.as_str(), good.trust), ("h:1/d", Trust::Signed));
        let tls = read("postgresql://u:x@h/d", &[("tls.ca", "/ca.pem")]).unwrap();
        assert_eq!((tls.shown.as_str(), tls.trust), ("h:5432/d", Trust::Named));
        for bad in [
            "h/d",
            "mysql://h/d",
            "postgres://u:secret@h:x/d",
            "postgres://u:secret@h/d?sslmode=maybe",
            "postgres://u:secret@h/d?nonsense=secret",
        ] {
            let error = read(bad, &[]).err().unwrap_or_else(|| panic!("{bad} was taken"));
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(read("postgres://h/d?sslmode=disable", &[("tls.ca", "x")]).is_err());
    }
}
