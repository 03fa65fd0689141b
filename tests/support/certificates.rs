//! Certificates for the stores of stories, drawn anew by authorities that nobody believes who is not told to.

use std::{fs, path::PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use uuid::Uuid;

use crate::stack;

/// Who certifies that a store is the host it says it is.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: PathBuf,
}

/// A certificate and its key, in PEM.
#[derive(Debug)]
pub struct Certified {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Authority {
    /// An authority unlike all others.
    pub fn new() -> Self {
        let name = Uuid::new_v4().simple().to_string();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, format!("The stories' authority {name}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key can be drawn");
        let certificate = params.self_signed(&key).expect("an authority certifies itself");
        let dir = stack::logs_root();
        let file = dir.join(format!("{}-authority-{name}.pem", std::process::id()));
        let written = fs::create_dir_all(dir).and_then(|()| fs::write(&file, certificate.pem()));
        written.unwrap_or_else(|err| panic!("{}: {err}", file.display()));
        Self { issuer: Issuer::new(params, key), file }
    }

    /// The file to believe this authority by, as `DATABASE_CA` and `REDIS_CA` name it.
    pub fn file(&self) -> String {
        self.file.display().to_string()
    }

    /// A certificate for a host.
    pub fn certify(&self, host: &str) -> Certified {
        self.sign(&Self::params(host))
    }

    /// One that was good once.
    pub fn certify_until_2020(&self, host: &str) -> Certified {
        let mut params = Self::params(host);
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
        self.sign(&params)
    }

    fn params(host: &str) -> CertificateParams {
        let mut params = CertificateParams::new([host.to_owned()]).expect("a host's name");
        params.distinguished_name.push(DnType::CommonName, host);
        params
    }

    fn sign(&self, params: &CertificateParams) -> Certified {
        let key = KeyPair::generate().expect("a key can be drawn");
        let certificate = params.signed_by(&key, &self.issuer).expect("an authority signs");
        Certified { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}
