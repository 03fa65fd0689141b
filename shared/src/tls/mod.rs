//! TLS to the stores: whose certificates are believed. A certificate is always verified.

use std::fs;

use anyhow::{Context, ensure};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::config::Authorities;

/// The authorities of RDS, one for each kind of key in each region, as AWS publishes them for all regions (its global
/// bundle): all of them that are valid beyond 2026.
const RDS: &[u8] = include_bytes!("rds.pem");

/// How to connect to a store whose certificate these vouch for.
pub(crate) fn client(authorities: &Authorities) -> anyhow::Result<ClientConfig> {
    let roots = match authorities {
        Authorities::Public => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
        Authorities::Rds => roots(RDS)?,
        Authorities::File(_) => roots(&pem(authorities)?.unwrap_or_default())?,
    };
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

/// The file with the authorities, if they are in one.
pub(crate) fn pem(authorities: &Authorities) -> anyhow::Result<Option<Vec<u8>>> {
    let Authorities::File(path) = authorities else { return Ok(None) };
    fs::read(path).with_context(|| format!("the authorities in {} cannot be read", path.display())).map(Some)
}

fn roots(pem: &[u8]) -> anyhow::Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        store.add(certificate?)?;
    }
    ensure!(!store.is_empty(), "there is no certificate in PEM");
    Ok(store)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_authorities_of_rds_are_understood() {
        let count = CertificateDer::pem_slice_iter(RDS).count();

        assert_eq!(roots(RDS).expect("certificates").len(), count);
        assert!(count > 60, "{count}");
    }

    #[test]
    fn a_file_without_a_certificate_is_no_authority() {
        assert!(roots(b"nothing").is_err());
        assert!(client(&Authorities::File("/there/is/none".into())).is_err());
    }
}
