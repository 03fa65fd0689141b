//! TLS to the stores: whose certificates are believed. A certificate is always verified.

use std::fs;
use std::path::Path;

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
        Authorities::File(path) => roots(&file(path)?)?,
    };
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

/// The authorities in PEM, if they are in a file of their own.
pub(crate) fn pem(authorities: &Authorities) -> anyhow::Result<Option<Vec<u8>>> {
    let Authorities::File(path) = authorities else { return Ok(None) };
    file(path).map(Some)
}

/// A file that holds authorities.
fn file(path: &Path) -> anyhow::Result<Vec<u8>> {
    let named = || format!("the authorities in {}", path.display());
    let pem = fs::read(path).with_context(named)?;
    roots(&pem).with_context(named)?;
    Ok(pem)
}

fn roots(pem: &[u8]) -> anyhow::Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        store.add(certificate.context("no certificate in PEM")?)?;
    }
    ensure!(!store.is_empty(), "no certificate in PEM");
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
    fn a_file_without_a_certificate_is_no_authority_and_is_named() {
        let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        for path in ["/there/is/none", ours] {
            let authorities = Authorities::File(path.into());
            let as_client = client(&authorities).map(drop);
            let as_pem = pem(&authorities).map(drop);

            for refused in [as_client, as_pem] {
                let cause = format!("{:#}", refused.expect_err("no authority"));
                assert!(cause.starts_with(&format!("the authorities in {path}: ")), "{cause}");
            }
        }
    }

    #[test]
    fn a_certificate_that_is_none_is_no_authority() {
        let broken = b"-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n";

        assert!(roots(broken).is_err());
    }
}
