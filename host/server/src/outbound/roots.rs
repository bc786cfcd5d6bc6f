//! Whose certificates are trusted: those of the system, and those of a file that whoever runs the host names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use party_core::operation::OperationError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::sync::OnceCell;

use crate::outbound::resolve::on_a_thread;

/// The largest file of certificates, in bytes: twenty times what a system has of them.
const CA_FILE_BYTES_MAX: u64 = 4 << 20;

/// Why a file of certificates is of no use.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("the certificates in {} (http.ca_file) cannot be used: {why}\nhint: it holds one or more certificates in PEM, each from -----BEGIN CERTIFICATE----- on", path.display())]
pub struct RootsError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// Who is trusted.
pub(super) struct Roots {
    own: Vec<CertificateDer<'static>>,
    /// Made when it is first needed: most rooms fetch nothing, and a host is to start at once.
    config: OnceCell<Arc<ClientConfig>>,
}

impl Roots {
    /// With the certificates of a file, if one is named.
    pub(super) fn new(ca_file: Option<PathBuf>) -> Result<Roots, RootsError> {
        let own = match ca_file {
            Some(path) => read(&path).map_err(|why| RootsError { path, why })?,
            None => Vec::new(),
        };
        Ok(Roots { own, config: OnceCell::new() })
    }

    /// How connections are made secret.
    pub(super) async fn config(&self) -> Result<Arc<ClientConfig>, OperationError> {
        self.config.get_or_try_init(|| self.make()).await.cloned()
    }

    async fn make(&self) -> Result<Arc<ClientConfig>, OperationError> {
        let mut roots = RootCertStore::empty();
        let found = on_a_thread("certificates", rustls_native_certs::load_native_certs).await;
        let found = found.map_err(|error| OperationError::Tls(error.to_string()))?;
        // A system may have some that are read by nobody any more.
        roots.add_parsable_certificates(found.certs);
        roots.add_parsable_certificates(self.own.iter().cloned());
        if roots.is_empty() {
            let why = found.errors.first().map_or_else(|| "none were found".to_owned(), ToString::to_string);
            return Err(OperationError::Tls(format!(
                "this host has no root certificates, so it can trust no server ({why}); install the system's (ca-certificates) or \
                 name a file: [http] ca_file in party.toml"
            )));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| OperationError::Tls(error.to_string()))?;
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// The certificates of a file: at least one, and each of use.
fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if found.len() > CA_FILE_BYTES_MAX {
        return Err(format!("it is {} bytes; the limit is {CA_FILE_BYTES_MAX}", found.len()));
    }
    let read = CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())?;
    let certificates: Vec<_> = read.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    if certificates.is_empty() {
        return Err("there is none in it".into());
    }
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        roots.add(certificate.clone()).map_err(|error| error.to_string())?;
    }
    Ok(certificates)
}
