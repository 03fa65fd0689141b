//! `REDIS_URL`: a server of its own, or a cluster by some of its nodes. No error repeats the address: it may hold a
//! password.

use anyhow::{Context, bail, ensure};
use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, TlsCertificates};

use crate::config::Authorities;
use crate::tls;

/// What `REDIS_URL` names.
pub(super) enum Address {
    /// `redis://…` or, with TLS, `rediss://…`.
    Server(Box<ConnectionInfo>),
    /// `redis+cluster://…` or `rediss+cluster://…`: one node or several, separated by commas.
    Cluster(Vec<ConnectionInfo>),
}

impl Address {
    /// Reads an address, all nodes of which share user, password and TLS.
    pub(super) fn parse(url: &str) -> anyhow::Result<Self> {
        let Some((scheme, rest)) = url.split_once("+cluster://") else {
            return Ok(Self::Server(Box::new(one(url)?)));
        };
        if !["redis", "rediss"].contains(&scheme) {
            bail!("REDIS_URL names a cluster as redis+cluster://host:port or rediss+cluster://host:port");
        }
        let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (login, nodes) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
        let nodes = nodes.split(',').map(|node| one(&format!("{scheme}://{login}{node}{tail}")));
        let nodes = nodes.collect::<anyhow::Result<Vec<_>>>()?;
        let numbered = nodes.iter().any(|node| node.redis_settings().db() != 0);
        ensure!(!numbered, "REDIS_URL names a numbered database, and a cluster has only 0");
        Ok(Self::Cluster(nodes))
    }

    /// The same, whose certificate is vouched for by these.
    pub(super) fn vouched_for_by(self, authorities: &Authorities) -> anyhow::Result<Self> {
        let Some(root_cert) = tls::pem(authorities).context("REDIS_CA")? else { return Ok(self) };
        let certificates = TlsCertificates { client_tls: None, root_cert: Some(root_cert) };
        let vouched = |info: ConnectionInfo| {
            ensure!(encrypted(&info), "with REDIS_CA the REDIS_URL must be rediss:// or rediss+cluster://");
            let client = Client::build_with_tls(info, certificates.clone()).context("REDIS_CA")?;
            Ok(client.get_connection_info().clone())
        };
        Ok(match self {
            Self::Server(info) => Self::Server(Box::new(vouched(*info)?)),
            Self::Cluster(nodes) => {
                Self::Cluster(nodes.into_iter().map(vouched).collect::<anyhow::Result<_>>()?)
            }
        })
    }

    /// Who signs in, if that is encrypted.
    pub(super) fn user_by_tls(&self) -> Option<&str> {
        let info = match self {
            Self::Server(info) => info,
            Self::Cluster(nodes) => nodes.first()?,
        };
        info.redis_settings().username().filter(|_| encrypted(info))
    }
}

fn one(url: &str) -> anyhow::Result<ConnectionInfo> {
    let info = url.into_connection_info().context("REDIS_URL is not a Redis address")?;
    let verified = !matches!(info.addr(), ConnectionAddr::TcpTls { insecure: true, .. });
    ensure!(verified, "REDIS_URL says #insecure, and a certificate is always verified");
    // Nobody looks at the client's name and version, and a user of few rights may not tell them.
    let settings = info.redis_settings().clone().set_skip_set_lib_name();
    Ok(info.set_redis_settings(settings))
}

fn encrypted(info: &ConnectionInfo) -> bool {
    matches!(info.addr(), ConnectionAddr::TcpTls { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(url: &str) -> Vec<String> {
        let described = |info: &ConnectionInfo| {
            let settings = info.redis_settings();
            format!("{} {:?} {:?}", info.addr(), settings.username(), settings.password())
        };
        match Address::parse(url) {
            Ok(Address::Cluster(nodes)) => nodes.iter().map(described).collect(),
            Ok(Address::Server(server)) => {
                vec![format!("server {} {}", described(&server), server.redis_settings().db())]
            }
            Err(error) => vec![format!("{error:#}")],
        }
    }

    #[test]
    fn an_address_names_a_server_or_nodes_of_a_cluster() {
        assert_eq!(described("redis://one:7000/3"), ["server one:7000 None None 3"]);
        assert_eq!(described("redis+cluster://one"), ["one:6379 None None"]);
        assert_eq!(
            described("rediss+cluster://me:secret%40@one:7000,[::1]:7001/"),
            ["one:7000 Some(\"me\") Some(\"secret@\")", "::1:7001 Some(\"me\") Some(\"secret@\")"]
        );
    }

    #[test]
    fn with_tls_every_node_is_asked_so() {
        let Ok(Address::Cluster(nodes)) = Address::parse("rediss+cluster://one,two") else {
            panic!("a cluster")
        };
        for node in nodes {
            assert!(matches!(node.addr(), redis::ConnectionAddr::TcpTls { insecure: false, .. }));
        }
    }

    #[test]
    fn a_wrong_address_is_named_without_its_password() {
        for wrong in [
            "me:secret@one:7000",
            "http://me:secret@one",
            "valkey+cluster://me:secret@one",
            "redis+cluster://me:secret@",
            "redis+cluster://me:secret@one,,two",
            "redis+cluster://me:secret@one:port",
            "redis+cluster://me:secret@one/2",
            "redis+cluster://me:secret@one/secret",
            "rediss://me:secret@one#insecure",
            "rediss+cluster://me:secret@one,two/#insecure",
        ] {
            let error = described(wrong).remove(0);
            assert!(error.starts_with("REDIS_URL "), "{wrong}: {error}");
            assert!(!error.contains("secret"), "{wrong}: {error}");
        }
    }
}
