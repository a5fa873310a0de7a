//! Certificates: an authority of our own, a server certificate for `localhost` and `127.0.0.1`, and a
//! second authority that signed nothing, for clients that must refuse.
//!
//! Elliptic curves, because an RSA key takes seconds to find. Nothing here is worth protecting: the keys
//! lie in the folder of the servers and are gone after `down`.

use super::place::State;
use super::process::run;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const SETTINGS: &str = "\
[req]
distinguished_name = name
prompt = no
[name]
CN = doge test authority
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
";

const NEW_KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/// The files of the certificates.
#[derive(Clone)]
pub struct Tls {
    folder: PathBuf,
}

impl Tls {
    pub fn of(state: &State) -> Self {
        Self { folder: state.folder.join("tls") }
    }

    /// The authority's certificate, which clients must know.
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// An authority that did not sign the servers' certificate.
    pub fn other_ca(&self) -> PathBuf {
        self.folder.join("other-ca.pem")
    }

    pub fn certificate(&self) -> PathBuf {
        self.folder.join("server.pem")
    }

    /// The key of the certificate, PKCS#8, without a password.
    pub fn key(&self) -> PathBuf {
        self.folder.join("server.key")
    }

    /// Key, certificate and authority in one file, as Kafka reads them.
    pub fn bundle(&self) -> PathBuf {
        self.folder.join("bundle.pem")
    }

    /// Makes them, if they are not there.
    ///
    /// # Errors
    /// What `openssl` or the file system says.
    pub fn make(&self) -> Result<(), String> {
        if self.folder.is_dir() {
            return Ok(());
        }
        // All or nothing: the name is right only once all files are there.
        let part = self.folder.with_extension("part");
        let _ = fs::remove_dir_all(&part);
        make_in(&part)?;
        fs::rename(&part, &self.folder).map_err(|e| format!("{}: {e}", self.folder.display()))
    }

    pub fn remove(&self) {
        for folder in [self.folder.clone(), self.folder.with_extension("part")] {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

fn make_in(folder: &Path) -> Result<(), String> {
    let broken = |e: std::io::Error| format!("{}: {e}", folder.display());
    fs::create_dir_all(folder).map_err(broken)?;
    fs::write(folder.join("settings.cnf"), SETTINGS).map_err(broken)?;
    let openssl = |arguments: &[&str]| {
        let mut command = Command::new("openssl");
        run(command.args(arguments).current_dir(folder)).map(|_| ())
    };
    for (key, certificate) in [("ca.key", "ca.pem"), ("other-ca.key", "other-ca.pem")] {
        let files = ["-keyout", key, "-out", certificate];
        let begin =
            ["req", "-x509", "-config", "settings.cnf", "-extensions", "ca", "-days", "3650"];
        openssl(&[&begin[..], &NEW_KEY, &files].concat())?;
    }
    let files = ["-keyout", "server.key", "-out", "server.csr"];
    let begin = ["req", "-config", "settings.cnf", "-subj", "/CN=localhost"];
    openssl(&[&begin[..], &NEW_KEY, &files].concat())?;
    openssl(&[
        "x509",
        "-req",
        "-in",
        "server.csr",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-set_serial",
        "2",
        "-days",
        "3650",
        "-extfile",
        "settings.cnf",
        "-extensions",
        "server",
        "-out",
        "server.pem",
    ])?;
    let mut bundle = String::new();
    for file in ["server.key", "server.pem", "ca.pem"] {
        bundle += &fs::read_to_string(folder.join(file)).map_err(broken)?;
    }
    fs::write(folder.join("bundle.pem"), bundle).map_err(broken)
}
