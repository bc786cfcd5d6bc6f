//! The host's certificate: read from two files, and read again when they change.
//!
//! Whoever renews a certificate writes two files, one after the other, and may write something wrong. So what is there now is
//! taken for those who come from then on only if it is whole and fits together; else the one before stays, and the log says why.
//! Connections that are open go on with what they began with. The files are read, not watched, every few seconds: they are often
//! links to links that are switched, of which a watch sees nothing.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use party_node::clock::Clock;
use thiserror::Error;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, InconsistentKeys, ServerConfig};

/// The largest of these files, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// How often they are looked at, in milliseconds.
const LOOK_MS: u64 = 10_000;
/// What is spoken over TLS, the best first. A browser that opens a WebSocket offers the second only.
const PROTOCOLS: [&[u8]; 2] = [HTTP_2, b"http/1.1"];
/// The name of HTTP/2 in a handshake (RFC 9113, 3.3).
pub(crate) const HTTP_2: &[u8] = b"h2";

/// A certificate and its key.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    current: Mutex<Current>,
}

struct Current {
    config: Arc<ServerConfig>,
    /// What the files held when they were last looked at, whether that could be used or not.
    seen: Option<Files>,
}

#[derive(Clone, PartialEq, Eq)]
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// Why a certificate cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read: {error}\nhint: give a file that this user can read", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is too large to be what it should.
    #[error("{} is larger than {FILE_BYTES_MAX} bytes\nhint: give PEM files: the chain of certificates, and the key", path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
    },
    /// There is no certificate in the file.
    #[error(
        "{} holds no certificate\nhint: --tls-cert is the whole chain in PEM (BEGIN CERTIFICATE), the host's own first: certbot's fullchain.pem",
        path.display()
    )]
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// There is no key in the file.
    #[error(
        "{} holds no key that can be used\nhint: --tls-key is a private key in PEM (BEGIN PRIVATE KEY) without a password: certbot's privkey.pem",
        path.display()
    )]
    NoKey {
        /// Which.
        path: PathBuf,
    },
    /// Each is fine, and they are not of each other.
    #[error(
        "the key in {} is not that of the certificate in {}\nhint: give the two that were made together; the host's own certificate comes first in its file",
        key.display(), certificate.display()
    )]
    NotOfEachOther {
        /// The certificates.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// Anything else.
    #[error("the certificate in {} cannot be used: {error}\nhint: make it again with a key of RSA, ECDSA or Ed25519", certificate.display())]
    Unfit {
        /// The certificates.
        certificate: PathBuf,
        /// What rustls says.
        error: rustls::Error,
    },
}

/// What a look at the files has come to.
#[derive(Debug)]
pub enum Looked {
    /// They are as they were.
    Same,
    /// Whoever comes from now on gets the new certificate.
    Renewed,
    /// They have changed to something that cannot be used; the last one that could stays.
    Refused(TlsError),
}

impl Tls {
    /// Reads a chain of certificates and a key, both in PEM.
    pub fn load(certificate: &Path, key: &Path) -> Result<Tls, TlsError> {
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        let files = Files { certificate: read(&certificate)?, key: read(&key)? };
        let config = config(&files, &certificate, &key)?;
        Ok(Tls { certificate, key, current: Mutex::new(Current { config, seen: Some(files) }) })
    }

    /// Looks at the files, and takes what is there if it has changed and can be used. Blocks for as long as the disk takes.
    pub fn look(&self) -> Looked {
        let found =
            read(&self.certificate).and_then(|certificate| Ok(Files { certificate, key: read(&self.key)? }));
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        match found {
            Ok(files) if current.seen.as_ref() == Some(&files) => Looked::Same,
            // A file that is just being replaced; said once.
            Err(_) if current.seen.is_none() => Looked::Same,
            Err(error) => {
                current.seen = None;
                Looked::Refused(error)
            }
            Ok(files) => {
                let config = config(&files, &self.certificate, &self.key);
                current.seen = Some(files);
                match config {
                    Ok(config) => {
                        current.config = config;
                        Looked::Renewed
                    }
                    Err(error) => Looked::Refused(error),
                }
            }
        }
    }

    /// For whoever comes now.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current.config).into()
    }
}

impl fmt::Debug for Tls {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("certificate", &self.certificate).field("key", &self.key).finish()
    }
}

/// Looks at the files for ever, and says what has come of it.
pub(crate) async fn keep_fresh(tls: Arc<Tls>, clock: Arc<dyn Clock>) {
    loop {
        clock.sleep_until_ticks(clock.ticks().after_ms(LOOK_MS)).await;
        let looking = Arc::clone(&tls);
        let Ok(looked) = tokio::task::spawn_blocking(move || looking.look()).await else { continue };
        match looked {
            Looked::Same => {}
            Looked::Renewed => {
                tracing::info!("the certificate has been renewed: who comes now gets the new one")
            }
            Looked::Refused(error) => {
                tracing::error!(
                    "the certificate has changed and cannot be used; the last one stays: {error}"
                );
            }
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let unreadable = |error| TlsError::Unreadable { path: path.into(), error };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)? as u64;
    if read > FILE_BYTES_MAX {
        return Err(TlsError::TooLarge { path: path.into() });
    }
    Ok(bytes)
}

fn config(files: &Files, certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&files.certificate)
        .collect::<Result<_, _>>()
        .map_err(|_| TlsError::NoCertificate { path: certificate.into() })?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate { path: certificate.into() });
    }
    let secret =
        PrivateKeyDer::from_pem_slice(&files.key).map_err(|_| TlsError::NoKey { path: key.into() })?;
    let unfit = |error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            TlsError::NotOfEachOther { certificate: certificate.into(), key: key.into() }
        }
        error => TlsError::Unfit { certificate: certificate.into(), error },
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(unfit)?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::sync::Arc;

    use rcgen::{CertifiedKey, generate_simple_self_signed};

    use super::{Looked, Tls, TlsError};

    struct Dir {
        _directory: tempfile::TempDir,
        cert: PathBuf,
        key: PathBuf,
    }

    fn dir() -> Dir {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let (cert, key) = (at("cert.pem"), at("key.pem"));
        Dir { _directory: directory, cert, key }
    }

    /// A certificate and its key, in PEM.
    fn pair() -> (String, String) {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".into()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    }

    fn load(cert: &str, key: &str) -> Result<Tls, TlsError> {
        let dir = dir();
        fs::write(&dir.cert, cert).unwrap();
        fs::write(&dir.key, key).unwrap();
        Tls::load(&dir.cert, &dir.key)
    }

    #[test]
    fn what_cannot_be_used_is_told_apart() {
        let ((cert, key), (other, other_key)) = (pair(), pair());
        assert!(load(&cert, &key).is_ok());
        // A chain, with the host's own first.
        assert!(load(&(cert.clone() + &other), &key).is_ok());
        // Both in one file is what some tools write.
        assert!(load(&(cert.clone() + &key), &(key.clone() + &cert)).is_ok());
        assert!(matches!(load(&(other + &cert), &key), Err(TlsError::NotOfEachOther { .. })));
        assert!(matches!(load(&cert, &other_key), Err(TlsError::NotOfEachOther { .. })));
        assert!(matches!(load(&key, &cert), Err(TlsError::NoCertificate { .. })), "they are swapped");
        assert!(matches!(load("", &key), Err(TlsError::NoCertificate { .. })));
        assert!(matches!(load(&cert, ""), Err(TlsError::NoKey { .. })));
        assert!(matches!(
            load(&cert, &key.replace("PRIVATE", "ENCRYPTED PRIVATE")),
            Err(TlsError::NoKey { .. })
        ));
        assert!(matches!(load(&cert[..cert.len() / 2], &key), Err(TlsError::NoCertificate { .. })));
        assert!(load(&cert.replacen('M', "\u{fc}", 1), &key).is_err());
        assert!(matches!(load(&" ".repeat((1 << 20) + 1), &key), Err(TlsError::TooLarge { .. })));
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(load(broken, &key), Err(TlsError::Unfit { .. })));
        let dir = dir();
        let error = Tls::load(&dir.cert, &dir.key).unwrap_err();
        assert!(
            matches!(error, TlsError::Unreadable { .. }) && error.to_string().contains("\nhint: "),
            "{error}"
        );
    }

    #[test]
    fn the_last_certificate_that_could_be_used_stays_until_there_is_another() {
        let (dir, (cert, key), (next, next_key)) = (dir(), pair(), pair());
        fs::write(&dir.cert, &cert).unwrap();
        fs::write(&dir.key, &key).unwrap();
        let tls = Tls::load(&dir.cert, &dir.key).unwrap();
        let config = |tls: &Tls| Arc::clone(tls.acceptor().config());
        let first = config(&tls);
        assert!(matches!(tls.look(), Looked::Same));
        // One of two files is written.
        fs::write(&dir.cert, &next).unwrap();
        assert!(matches!(tls.look(), Looked::Refused(TlsError::NotOfEachOther { .. })));
        assert!(matches!(tls.look(), Looked::Same), "it is said once");
        assert!(Arc::ptr_eq(&config(&tls), &first));
        fs::remove_file(&dir.key).unwrap();
        assert!(matches!(tls.look(), Looked::Refused(TlsError::Unreadable { .. })));
        assert!(matches!(tls.look(), Looked::Same), "it is said once");
        fs::write(&dir.key, &next_key).unwrap();
        assert!(matches!(tls.look(), Looked::Renewed));
        assert!(!Arc::ptr_eq(&config(&tls), &first));
        assert!(matches!(tls.look(), Looked::Same));
        // And back.
        fs::write(&dir.cert, &cert).unwrap();
        fs::write(&dir.key, &key).unwrap();
        assert!(matches!(tls.look(), Looked::Renewed));
    }
}
